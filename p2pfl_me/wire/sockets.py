"""ZeroMQ's sockets on an asyncio loop: one ROUTER that listens, one DEALER for each neighbour that is dialled.

Frames in, frames out, connections that come and go; what a frame means is not known here. Sockets are drained when
their descriptor wakes: that is faster than `zmq.asyncio` and needs no thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import zmq
from zmq.utils.monitor import recv_monitor_message

from p2pfl_me.errors import PeerError
from p2pfl_me.wire.records import RECORD

Route = int | bytes
"""A way to a neighbour: the id of one that we dialled, or the name that our ROUTER gave to a connection to us."""

BURST = 8
"""Frames received in one turn of the loop, so that no link starves the others."""
HIGH_WATER = 4
"""Records that ZeroMQ may hold per connection and direction: bounds memory, keeps the wire busy."""
ZERO_COPY = 1 << 16
"""Bytes from which a frame is handed to ZeroMQ without a copy; for small ones the copy is cheaper."""
LINGER_S = 1.0
RECONNECT_MS = (100, 2000)


class Outcome(Enum):
    """What became of a frame: handed to ZeroMQ, to be tried again when there is room, or without a receiver."""

    SENT = auto()
    FULL = auto()
    GONE = auto()


class Listener(Protocol):
    """Who is told. `on_room` may come without need: a socket woke, so a frame that found it full may try again."""

    def on_frame(self, route: Route, frame: memoryview) -> None: ...
    def on_connected(self, peer: int) -> None: ...
    def on_disconnected(self, peer: int) -> None: ...
    def on_room(self) -> None: ...


@dataclass(slots=True)
class _Tap:
    """A socket to drain: the ROUTER (`peer` is None) or the DEALER to `peer`."""

    socket: zmq.Socket[bytes]
    peer: int | None
    address: str = ""
    monitor: zmq.Socket[bytes] | None = None
    drain_due: bool = False


class Sockets:
    """The sockets of one peer. A connection that is silent for `silence_s` seconds is given up and dialled anew."""

    def __init__(self, listener: Listener, silence_s: float) -> None:
        self._listener = listener
        self._silence_ms = max(1, round(1000 * silence_s))
        self._loop = asyncio.get_running_loop()
        self._context = zmq.Context()
        self._router: _Tap | None = None
        self._dealers: dict[int, _Tap] = {}
        self._watched: dict[zmq.Socket[bytes], int] = {}
        self._closed = False

    def listen(self, address: str) -> None:
        """Listen at `address`; one that is not loopback stands for its port on every interface of this machine.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        socket = self._socket(zmq.ROUTER, address)
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # an error, not silence, when a neighbour has gone
        try:
            socket.bind(_bindable(address))
        except zmq.ZMQError as error:
            socket.close()
            raise PeerError(
                f"cannot listen: {(error.strerror or str(error)).lower()}",
                where=address,
                fix="is this peer running already? Stop it, or choose other ports in the contract "
                "(locally: --set peers.loopback.base_port=N)",
            ) from error
        tap = self._router = _Tap(socket, None)
        self._watch(socket, lambda: self._wake(tap))

    def dial(self, peer: int, address: str) -> None:
        """Connect to a neighbour now, or as soon as it listens, and again whenever the connection ends."""
        socket = self._socket(zmq.DEALER, address)
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing queues for a peer that is not there
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS[0])
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS[1])
        # A connection whose other end vanished without a word (power, NAT) is only noticed by asking.
        socket.setsockopt(zmq.HEARTBEAT_IVL, max(1, self._silence_ms // 2))
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, self._silence_ms)
        socket.setsockopt(zmq.HANDSHAKE_IVL, self._silence_ms)
        monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        tap = self._dealers[peer] = _Tap(socket, peer, address, monitor)
        self._watch(socket, lambda: self._wake(tap))
        self._watch(monitor, lambda: self._drain_monitor(tap))
        socket.connect(address)

    def hang_up(self, peer: int) -> None:
        """Close the connection to a neighbour that we dialled, for good."""
        if tap := self._dealers.pop(peer, None):
            self._close(tap, linger_s=0)

    def send(self, route: Route, frame: bytes | memoryview) -> Outcome:
        """Hand over a copy of `frame`, so the caller's buffer is free again at once and stays in the cache."""
        tap = self._dealers.get(route) if isinstance(route, int) else self._router
        if tap is None or self._closed:
            return Outcome.GONE
        socket = tap.socket
        self._drain_soon(tap)  # a descriptor wakes once per change, and a send may swallow the news of an arrival
        # Asking for the events also makes ZeroMQ look for news of freed room, which a send does only now and then.
        events = socket.getsockopt(zmq.EVENTS)
        assert isinstance(events, int)
        try:
            if isinstance(route, bytes):
                socket.send(route, zmq.SNDMORE | zmq.NOBLOCK)
            elif not events & zmq.POLLOUT:
                return Outcome.FULL
            socket.send(frame, zmq.NOBLOCK, copy=len(frame) < ZERO_COPY)
        except zmq.Again:
            return Outcome.FULL
        except zmq.ZMQError:
            return Outcome.GONE
        return Outcome.SENT

    def drain(self, burst: int = BURST) -> None:
        """Look at all sockets, should a wake-up have been missed."""
        for tap in [self._router, *self._dealers.values()]:
            if tap:
                self._drain(tap, burst)
                self._drain_monitor(tap)

    async def close(self) -> None:
        """Close all sockets; ZeroMQ still delivers what it holds for up to `LINGER_S`."""
        self._closed = True
        for tap in [self._router, *self._dealers.values()]:
            if tap:
                self._close(tap, LINGER_S)
        self._router = None
        self._dealers.clear()
        await asyncio.to_thread(self._context.term)

    def _socket(self, kind: int, address: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.SNDHWM, HIGH_WATER)
        socket.setsockopt(zmq.RCVHWM, HIGH_WATER)
        socket.setsockopt(zmq.IPV6, int("[" in address))
        # ZeroMQ drops the connection before it allocates anything larger.
        socket.setsockopt(zmq.MAXMSGSIZE, RECORD)
        return socket

    def _watch(self, socket: zmq.Socket[bytes], drain: Callable[[], None]) -> None:
        descriptor = socket.getsockopt(zmq.FD)
        assert isinstance(descriptor, int)
        self._watched[socket] = descriptor
        self._loop.add_reader(descriptor, drain)
        self._loop.call_soon(drain)  # the descriptor only wakes for what happens from now on

    def _close(self, tap: _Tap, linger_s: float) -> None:
        for socket in (tap.socket, tap.monitor):
            if socket is not None:
                self._loop.remove_reader(self._watched.pop(socket))
        if tap.monitor:
            tap.socket.disable_monitor()
            tap.monitor.close(linger=0)
        tap.socket.close(linger=round(1000 * linger_s))

    def _wake(self, tap: _Tap) -> None:
        self._drain(tap)
        if not self._closed:
            self._listener.on_room()

    def _drain_soon(self, tap: _Tap) -> None:
        if not tap.drain_due:
            tap.drain_due = True
            self._loop.call_soon(self._drain, tap)

    def _drain(self, tap: _Tap, burst: int | None = BURST) -> None:
        """Take up to `burst` frames (None: all); come back for the rest, so that the other links have their turn."""
        tap.drain_due = False
        taken = 0
        while not tap.socket.closed:
            if taken == burst:
                self._drain_soon(tap)
                break
            try:
                route = tap.socket.recv(zmq.NOBLOCK) if tap.peer is None else tap.peer
                frame = tap.socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            taken += 1
            if not frame.more:
                self._listener.on_frame(route, frame.buffer)
                continue
            while frame.more:  # nothing of ours comes in more parts
                frame = tap.socket.recv(zmq.NOBLOCK, copy=False)

    def _drain_monitor(self, tap: _Tap) -> None:
        while tap.monitor and not tap.monitor.closed:
            try:
                event = recv_monitor_message(tap.monitor, zmq.NOBLOCK)["event"]
            except zmq.Again:
                return
            assert tap.peer is not None
            if event == zmq.EVENT_DISCONNECTED:
                self._drain(tap, None)  # what arrived before the end still counts
                self._listener.on_disconnected(tap.peer)
            else:
                self._listener.on_connected(tap.peer)


def _bindable(address: str) -> str:
    """Loopback addresses are bound as they stand; of any other, the port on every interface of this machine."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if host.startswith("127.") or host in {"localhost", "[::1]"}:
        return address.replace("localhost", "127.0.0.1")
    return f"tcp://[::]:{port}" if host.startswith("[") else f"tcp://*:{port}"

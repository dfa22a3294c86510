"""ZeroMQ's sockets in one thread: one ROUTER that listens, one DEALER for each neighbour that is dialled.

Frames in, frames out, connections that come and go; what a frame means is not known here. Only `wake` may be called
from another thread.
"""

from __future__ import annotations

import contextlib
import math
import socket as plain
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import zmq
from zmq.utils.monitor import recv_monitor_message

from p2pfl_me.contract.members import is_loopback
from p2pfl_me.errors import PeerError
from p2pfl_me.wire import admission
from p2pfl_me.wire.records import RECORD

Route = int | bytes
"""A way to a neighbour: the id of one that we dialled, or the name that our ROUTER gave to a connection to us."""

BURST = 4
"""Frames taken from a socket in one turn, so that no link starves the others."""
RETRY_S = 0.001
"""A ROUTER that was full for one connection cannot be asked about that one: it is tried again after this time."""
SEND_AHEAD, RECEIVE_AHEAD = 16, 4
"""Records that ZeroMQ may hold per connection: a model of 29 MB leaves without a pause, and arrives as it is opened."""
ZERO_COPY = 1 << 16
"""Bytes from which a frame is handed to ZeroMQ without a copy; for small ones the copy is cheaper."""
WRONG_KEY = (
    "has another public key than the contract names; compare fingerprints with whoever runs it "
    "(`p2pme keys fingerprint`) and correct the contract"
)
NO_PEER = "does not speak p2pme's protocol; is the address in the contract right, and p2pme there of the same version?"
LINGER_S = 1.0
ADMISSION_MS = 5000
"""For saying the word; a connection that says nothing costs a file descriptor."""
RECONNECT_MS = (100, 2000)
_REFUSALS = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


class Outcome(Enum):
    """What became of a frame: handed to ZeroMQ, to be tried again when there is room, or without a receiver."""

    SENT = auto()
    FULL = auto()
    GONE = auto()


class Listener(Protocol):
    """Who is told."""

    def on_frame(self, route: Route, frame: memoryview) -> None: ...
    def on_connected(self, peer: int) -> None: ...
    def on_disconnected(self, peer: int) -> None: ...
    def on_turned_away(self, peer: int, why: str) -> None: ...
    def on_stranger(self, address: str) -> None: ...


@dataclass(slots=True)
class _Tap:
    """The ROUTER (`peer` is None) or the DEALER to `peer`.

    `full` since a frame last found no room; `skipping` inside a message of several parts.
    """

    socket: zmq.Socket[bytes]
    peer: int | None
    address: str = ""
    monitor: zmq.Socket[bytes] | None = None
    full: bool = False
    skipping: bool = False


class Sockets:
    """The sockets of one peer. A connection that is silent for `silence_s` seconds is given up and dialled anew."""

    def __init__(self, listener: Listener, silence_s: float) -> None:
        self._listener = listener
        self._silence_ms = max(1, round(1000 * silence_s))
        self._context = zmq.Context()
        self._router: _Tap | None = None
        self._dealers: dict[int, _Tap] = {}
        self._taps: tuple[_Tap, ...] = ()
        self._admission: admission.Admission | None = None
        self._woken, self._waker = plain.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    def listen(self, address: str, public_key: bytes) -> None:
        """Listen at `address`; one that is not loopback stands for its port on every interface of this machine.

        Only those who know our public key get as far as to send a frame.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        self._admission = self._admission or admission.Admission(self._context, admission.word(public_key))
        socket = self._socket(zmq.ROUTER, address)
        socket.setsockopt(zmq.PLAIN_SERVER, 1)
        socket.setsockopt(zmq.HANDSHAKE_IVL, ADMISSION_MS)
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
        self._router = _Tap(socket, None)
        self._taps += (self._router,)

    def dial(self, peer: int, address: str, public_key: bytes) -> None:
        """Connect to a neighbour now, or as soon as it listens, and again whenever the connection ends."""
        socket = self._socket(zmq.DEALER, address)
        socket.setsockopt(zmq.PLAIN_USERNAME, admission.USER)
        socket.setsockopt(zmq.PLAIN_PASSWORD, admission.word(public_key))
        socket.setsockopt(zmq.IMMEDIATE, 1)  # nothing queues for a peer that is not there
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS[0])
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS[1])
        # A connection whose other end vanished without a word (power, NAT) is only noticed by asking.
        socket.setsockopt(zmq.HEARTBEAT_IVL, max(1, self._silence_ms // 2))
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, self._silence_ms)
        socket.setsockopt(zmq.HANDSHAKE_IVL, self._silence_ms)
        monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | _REFUSALS)
        self._dealers[peer] = tap = _Tap(socket, peer, address, monitor)
        self._taps += (tap,)
        socket.connect(address)

    def hang_up(self, peer: int) -> None:
        """Close the connection to a neighbour that we dialled, for good."""
        if tap := self._dealers.pop(peer, None):
            self._taps = tuple(each for each in self._taps if each is not tap)
            self._close(tap, linger_s=0)

    def send(self, route: Route, frame: bytes | memoryview) -> Outcome:
        """Hand over a frame; a large one without a copy, so its memory must not be written to any more."""
        tap = self._dealers.get(route) if isinstance(route, int) else self._router
        if tap is None:
            return Outcome.GONE
        socket = tap.socket
        # Asking for the events also makes ZeroMQ look for news of freed room, which a send does only now and then.
        events = socket.getsockopt(zmq.EVENTS)
        assert isinstance(events, int)
        try:
            if isinstance(route, bytes):
                socket.send(route, zmq.SNDMORE | zmq.NOBLOCK)
            elif not events & zmq.POLLOUT:
                tap.full = True
                return Outcome.FULL
            socket.send(frame, zmq.NOBLOCK, copy=len(frame) < ZERO_COPY)
        except zmq.Again:
            tap.full = True
            return Outcome.FULL
        except zmq.ZMQError:
            return Outcome.GONE
        return Outcome.SENT

    def receive(self, burst: int = BURST) -> bool:
        """Take up to `burst` frames from every socket; whether there was any."""
        self._answer_admission()
        found = False
        for tap in self._taps:
            found |= self._receive(tap, burst)
        return found

    def wait(self, timeout_s: float | None, *, hear: bool = True) -> None:
        """Sleep until a frame may have come (if `hear`), a full socket has room, or `wake`; `timeout_s` at most.

        News of connections is passed on from here: while frames move, there is none that could not wait.
        """
        watched: list[tuple[zmq.Socket[bytes] | int, int]] = [(self._woken.fileno(), zmq.POLLIN)]
        if self._admission:
            watched.append((self._admission.socket, zmq.POLLIN))
        for tap in self._taps:
            blocked, tap.full = tap.full, False
            if blocked and tap.peer is None:
                timeout_s = RETRY_S if timeout_s is None else min(timeout_s, RETRY_S)
            flags = (zmq.POLLIN if hear else 0) | (zmq.POLLOUT if blocked and tap.peer is not None else 0)
            if flags:
                watched.append((tap.socket, flags))
            if tap.monitor and hear:
                watched.append((tap.monitor, zmq.POLLIN))
        ready: set[object] = {
            each for each, _ in zmq.zmq_poll(watched, -1 if timeout_s is None else math.ceil(1000 * timeout_s))
        }
        if watched[0][0] in ready:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(64)
        self._answer_admission()
        for tap in self._taps:
            if tap.monitor and tap.monitor in ready:
                self._hear(tap)

    def wake(self) -> None:
        """End the present or the next `wait`; from any thread."""
        with contextlib.suppress(OSError):  # so many calls that the socket is full: it will wake; or it is closed
            self._waker.send(b"!")

    def close(self) -> None:
        """Close all sockets; ZeroMQ still delivers what it holds for up to `LINGER_S`, and this waits for it."""
        for tap in self._taps:
            self._close(tap, LINGER_S)
        if self._admission:
            self._admission.close()
        self._router, self._dealers, self._taps, self._admission = None, {}, (), None
        self._context.term()
        self._woken.close()
        self._waker.close()

    def _socket(self, kind: int, address: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.SNDHWM, SEND_AHEAD)
        socket.setsockopt(zmq.RCVHWM, RECEIVE_AHEAD)
        socket.setsockopt(zmq.IPV6, int("[" in address))
        # ZeroMQ drops the connection before it allocates anything larger.
        socket.setsockopt(zmq.MAXMSGSIZE, RECORD)
        return socket

    def _close(self, tap: _Tap, linger_s: float) -> None:
        if tap.monitor:
            tap.socket.disable_monitor()
            tap.monitor.close(linger=0)
        tap.socket.close(linger=round(1000 * linger_s))

    def _receive(self, tap: _Tap, burst: int | None) -> bool:
        """Take up to `burst` frames (None: all); whether there was any."""
        taken = 0
        while taken != burst and _may_receive(tap.socket):
            taken += 1
            skipped = tap.skipping
            route: Route = tap.peer if tap.peer is not None else b"" if skipped else tap.socket.recv(zmq.NOBLOCK)
            frame = tap.socket.recv(zmq.NOBLOCK, copy=False)
            tap.skipping = bool(frame.more)  # nothing of ours comes in more parts than one
            if not skipped and not frame.more:
                self._listener.on_frame(route, frame.buffer)
        return taken > 0

    def _answer_admission(self) -> None:
        for address in self._admission.answer() if self._admission else ():
            self._listener.on_stranger(address)

    def _hear(self, tap: _Tap) -> None:
        """Pass on the news of a connection that we dialled."""
        while tap.monitor and not tap.monitor.closed:
            try:
                event = recv_monitor_message(tap.monitor, zmq.NOBLOCK)["event"]
            except zmq.Again:
                return
            assert tap.peer is not None
            if event == zmq.EVENT_DISCONNECTED:
                self._receive(tap, None)  # what arrived before the end still counts
                self._listener.on_disconnected(tap.peer)
            elif event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                self._listener.on_turned_away(tap.peer, WRONG_KEY)
            elif event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                self._listener.on_turned_away(tap.peer, NO_PEER)
            else:
                self._listener.on_connected(tap.peer)


def _may_receive(socket: zmq.Socket[bytes]) -> bool:
    """Cheaper than an exception. Whoever was told of the last frame may have closed the socket."""
    if socket.closed:
        return False
    events = socket.getsockopt(zmq.EVENTS)
    assert isinstance(events, int)
    return bool(events & zmq.POLLIN)


def _bindable(address: str) -> str:
    """Loopback addresses are bound as they stand; of any other, the port on every interface of this machine."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if is_loopback(address):
        return address.replace(host, "127.0.0.1") if host.lower() == "localhost" else address
    return f"tcp://[::]:{port}" if host.startswith("[") else f"tcp://*:{port}"

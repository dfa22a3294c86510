"""ZeroMQ's STREAM sockets of one peer: opened, bound or connected, waited for and given up.

What they carry is not known here. ZeroMQ accepts, connects and moves the bytes in its own thread, in bounded memory a
connection. Only `wake` may be called from another thread.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket as plain

import zmq
from zmq.utils.monitor import parse_monitor_message

from p2pfl_me.errors import PeerError
from p2pfl_me.machine import holder_of
from p2pfl_me.wire.door import Door
from p2pfl_me.wire.station import Station

BACKLOG = 256
"""Callers that wait to be looked at."""
QUEUED_OUT, QUEUED_IN = 16, 128
"""Messages and pieces that ZeroMQ keeps for a connection beside what the kernel does: 16 MiB out, 1 MiB in at most."""
CONNECT_S = 10.0
LINGER_S = 1.0
"""How long what has not left yet may still take when everything is closed."""

Address = tuple[str, int] | tuple[str, int, int, int]
"""Numbers to connect to: host and port, and IPv6's flow and scope."""


class StreamSockets:
    """Each as a `Station`; `open` are those that there are."""

    def __init__(self) -> None:
        self.open: list[Station] = []
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, 1 << 16)
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = plain.socketpair()
        for each in (self._woken, self._waker):
            each.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)

    def bound(self, address: str) -> Station:
        """One that listens at `tcp://HOST:PORT`; `*` stands for every interface of this machine.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        try:
            return self._bound(address)
        except (zmq.ZMQError, OverflowError) as error:
            port = address.rpartition(":")[2]
            taken = getattr(error, "errno", None) == errno.EADDRINUSE and port.isascii() and port.isdigit()
            holder = holder_of(int(port)) if taken else ""
            raise PeerError(
                f"cannot listen: {(getattr(error, 'strerror', None) or str(error)).lower()}"
                f"{f' by {holder}' if holder else ''}",
                where=address,
                fix="is this peer running already? Stop it, or choose other ports in the contract "
                "(locally: --set peers.loopback.base_port=N; one lab alone: --listen)",
            ) from error

    def connecting(self, family: int, address: Address) -> Station:
        """One that has begun to connect; its monitor tells of a failure.

        Raises
        ------
        OSError
            It failed at once.
        """
        station = None
        try:
            station = self._opened(ipv6=family == plain.AF_INET6)
            # Never by itself: who dials again knows why. (With -1 ZeroMQ drops what came last before an end.)
            station.socket.setsockopt(zmq.RECONNECT_IVL, 2**31 - 1)
            station.socket.setsockopt(zmq.CONNECT_TIMEOUT, int(1000 * CONNECT_S))
            station.monitor = station.socket.get_monitor_socket(zmq.EVENT_CLOSED)
            self._selector.register(int(station.monitor.getsockopt(zmq.FD)), selectors.EVENT_READ)
            host = f"[{address[0]}]" if family == plain.AF_INET6 else address[0]
            station.socket.connect(f"tcp://{host}:{address[1]}")
        except zmq.ZMQError as error:  # no descriptor may be left, too, even for the socket itself
            if station:
                self.retire(station)
            raise OSError(error.errno, (error.strerror or str(error)).lower()) from error
        return station

    def retire(self, station: Station, *, linger: bool = False) -> None:
        """Give one up, with all that it carries; what it holds still leaves, if it may `linger`."""
        if station not in self.open:
            return
        self.open.remove(station)
        for file in station.files():
            self._selector.unregister(file)
        if station.monitor is not None:
            station.socket.disable_monitor()
            station.monitor.close(linger=0)
        if station.door is not None:
            station.door.close()
        station.socket.close(linger=int(1000 * LINGER_S) if linger else 0)

    def close(self) -> None:
        """Give all up; what was handed over before still leaves, for up to `LINGER_S` seconds."""
        for station in [*self.open]:
            self.retire(station, linger=True)
        self._context.term()
        self._selector.close()
        self._woken.close()
        self._waker.close()

    # -- sleep --------------------------------------------------------------------------------------------------

    def sleep(self, timeout_s: float | None) -> None:
        """Until something moves or `wake` is called; `timeout_s` at most."""
        self._selector.select(timeout_s)

    def wake(self) -> None:
        """End the present or the next `sleep`; from any thread."""
        with contextlib.suppress(OSError):  # so many calls that the socket is full: it will wake; or it is closed
            self._waker.send(b"!")

    def awake(self) -> None:
        """What `wake` has said is heard."""
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(64)

    # -- ZeroMQ's options ---------------------------------------------------------------------------------------

    def _bound(self, address: str) -> Station:
        host, port = split_address(address)
        if host != "*":
            return self._bound_to(f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}", ":" in host)
        try:
            return self._bound_to(f"tcp://*:{port}", plain.has_dualstack_ipv6())
        except zmq.ZMQError as error:
            if error.errno == zmq.EADDRINUSE:
                raise
        return self._bound_to(f"tcp://*:{port}", ipv6=False)

    def _bound_to(self, endpoint: str, ipv6: bool) -> Station:
        station = self._opened(ipv6=ipv6)
        try:
            station.socket.setsockopt(zmq.BACKLOG, BACKLOG)
            station.door = Door(self._listening(station.socket, endpoint))
        except zmq.ZMQError:
            self.retire(station)
            raise
        return station

    def _listening(self, socket: zmq.Socket[bytes], endpoint: str) -> int:
        """Bind a socket; the descriptor that ZeroMQ listens at, of which only its monitor tells."""
        monitor = socket.get_monitor_socket(zmq.EVENT_LISTENING)
        try:
            socket.bind(endpoint)
            return int(parse_monitor_message(monitor.recv_multipart())["value"])
        finally:
            socket.disable_monitor()
            monitor.close(linger=0)

    def _opened(self, *, ipv6: bool) -> Station:
        station = Station(self._context.socket(zmq.STREAM))
        limits = {zmq.SNDHWM: QUEUED_OUT, zmq.RCVHWM: QUEUED_IN, zmq.IPV6: int(ipv6), zmq.LINGER: 0}
        for option, value in limits.items():
            station.socket.setsockopt(option, value)
        self.open.append(station)
        self._selector.register(int(station.socket.getsockopt(zmq.FD)), selectors.EVENT_READ)
        return station


def split_address(address: str) -> tuple[str, int]:
    """Host, without brackets, and port of `tcp://HOST:PORT`; `localhost` is 127.0.0.1."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    host = host.strip("[]")
    return ("127.0.0.1" if host.lower() == "localhost" else host), int(port)


def require_listening(address: str) -> None:
    """See that `address` can be listened at now, by doing so for a moment.

    Raises
    ------
    PeerError
        The port is taken or the address is not this machine's.
    """
    sockets = StreamSockets()
    try:
        sockets.bound(address)
    finally:
        sockets.close()

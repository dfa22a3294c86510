"""TCP in one thread: a socket that listens, a connection for each caller and for each neighbour that is dialled.

Frames in, frames out, connections that come and go; what a frame means is not known here. Every byte that a stranger
can send passes Python's memory-safe code only, in bounded memory, and the worst that it can end is its own connection.
Only `wake` may be called from another thread.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket as plain
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Protocol

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.wire.framing import FrameReader, Lengths

BURST = 4
"""Frames taken from a connection in one turn, so that no link starves the others."""
CALLS = 16
"""Callers looked at in one turn, for the same reason."""
BACKLOG = 256
LINGER_S = 1.0
"""How long what has not left yet may still take when everything is closed."""
OUT_OF_FILES_S = 1.0
_OUT_OF_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Address = tuple[str, int] | tuple[str, int, int, int]
"""Numbers to connect to: host and port, and IPv6's flow and scope."""


class Outcome(Enum):
    """What became of a frame: handed to the kernel (or next in line), or without a receiver."""

    SENT = auto()
    GONE = auto()


@dataclass(slots=True, eq=False)
class Connection:
    """One TCP connection. `host` is who called, or whom we dialled; `heard_at` when bytes last came from there.

    `deaf` while nothing is to be read from it, `mute` once nothing can be sent any more.
    """

    socket: plain.socket = field(repr=False)
    host: str
    reader: FrameReader = field(repr=False)
    heard_at: float
    connecting: bool = False
    deaf: bool = False
    closed: bool = False
    mute: bool = False
    lengths: Lengths = field(default_factory=Lengths, repr=False)
    rest: list[memoryview] = field(default_factory=list, repr=False)
    events: int = 0

    @property
    def is_clear(self) -> bool:
        """Whether a frame would leave at once, as far as it is known."""
        return not (self.rest or self.connecting or self.mute or self.closed)


class Listener(Protocol):
    """Who is told."""

    def on_call(self, connection: Connection) -> None: ...
    def on_connected(self, connection: Connection) -> None: ...
    def on_frame(self, connection: Connection, frame: memoryview) -> None: ...
    def on_closed(self, connection: Connection, reason: str) -> None:
        """It has ended, but for our own `close`; what came before has been told."""

    def looks_at_calls(self, now: float) -> float:
        """One more call has come; for how many seconds none should be looked at."""

    def admits(self, now: float, host: str) -> bool:
        """Whether a call from this address is to be answered at all."""


class Sockets:
    """The sockets of one peer. `most` is the length of the longest frame from somebody who is not known yet."""

    def __init__(self, listener: Listener, most: int) -> None:
        self._listener, self._most = listener, most
        self._selector = selectors.DefaultSelector()
        self._server: plain.socket | None = None
        self._answers = False
        self._calls_from = 0.0
        self._hearing = True
        self._connections: set[Connection] = set()
        self._unread: set[Connection] = set()
        """Connections whose last bytes may hold another frame."""
        self._woken, self._waker = plain.socketpair()
        for each in (self._woken, self._waker):
            each.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)

    # -- opening and closing ------------------------------------------------------------------------------------

    def listen(self, address: str) -> None:
        """Listen at `tcp://HOST:PORT`; `*` stands for every interface of this machine.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        try:
            self._server = _server(address)
        except (OSError, OverflowError) as error:
            raise PeerError(
                f"cannot listen: {(getattr(error, 'strerror', None) or str(error)).lower()}",
                where=address,
                fix="is this peer running already? Stop it, or choose other ports in the contract "
                "(locally: --set peers.loopback.base_port=N; one lab alone: --listen)",
            ) from error
        self._server.setblocking(False)
        self._watch_calls(True)

    def dial(self, family: int, address: Address, now: float) -> Connection:
        """Begin to connect; `on_connected` or `on_closed` says how it went.

        Raises
        ------
        OSError
            It failed at once.
        """
        socket = plain.socket(family, plain.SOCK_STREAM)
        try:
            _prepare(socket)
            failure = socket.connect_ex(address)
            if failure not in {0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EAGAIN}:
                raise OSError(failure, os.strerror(failure))  # of the kind that belongs to the number
        except OSError:
            socket.close()
            raise
        connection = Connection(socket, address[0], FrameReader(self._most), now, connecting=True)
        self._connections.add(connection)
        self._watch(connection)
        return connection

    def close(self, connection: Connection) -> None:
        """End a connection, without a word to the listener."""
        if connection.closed:
            return
        connection.closed = True
        self._connections.discard(connection)
        self._unread.discard(connection)
        if connection.events:
            self._selector.unregister(connection.socket)
        connection.rest.clear()
        connection.socket.close()

    def close_all(self) -> None:
        """Close everything; what was handed over before still leaves, for up to `LINGER_S` seconds."""
        until = time.monotonic() + LINGER_S
        for connection in [*self._connections]:
            with contextlib.suppress(OSError):
                for piece in connection.rest:
                    connection.socket.settimeout(max(0.001, until - time.monotonic()))
                    connection.socket.sendall(piece)
            self.close(connection)
        if self._server:
            self._server.close()
        self._selector.close()
        self._woken.close()
        self._waker.close()

    # -- use ----------------------------------------------------------------------------------------------------

    def send(self, connection: Connection, frame: bytes | memoryview) -> Outcome:
        """Hand over a frame, whose memory must not be written to any more; only when the connection `is_clear`."""
        if connection.closed or connection.mute:
            return Outcome.GONE
        connection.rest += [memoryview(connection.lengths.write(len(frame))), memoryview(frame).cast("B")]
        self._flush(connection)
        return Outcome.GONE if connection.mute else Outcome.SENT

    def hear(self, connection: Connection, *, hear: bool) -> None:
        """Whether to read on from a connection: what is not read makes its sender wait."""
        if connection.deaf == hear and not connection.closed:
            connection.deaf = not hear
            self._watch(connection)

    def work(self, now: float, *, hear: bool) -> bool:
        """Do what can be done at once: frames in, if `hear`; whether anything moved."""
        self._hear_all(hear)
        if self._server and not self._answers and self._calls_from <= now:
            self._watch_calls(True)
        unread = [each for each in self._unread if not each.deaf] if hear else []
        moved = bool(unread)
        for key, events in self._selector.select(0):
            connection: Connection | None = key.data
            if connection is None:
                moved |= key.fileobj is self._server and self._answer(now)
                continue
            if events & selectors.EVENT_WRITE:
                moved = True
                self._on_writable(connection)
            if events & selectors.EVENT_READ and connection not in unread:
                moved = True
                self._read(connection, now)
        for connection in unread:
            self._read(connection, now)
        return moved

    def wait(self, timeout_s: float | None, now: float, *, hear: bool) -> None:
        """Sleep until `work` may have something to do, or `wake`; `timeout_s` at most."""
        self._hear_all(hear)
        if self._server and self._calls_from > now:
            left = self._calls_from - now
            timeout_s = left if timeout_s is None else min(timeout_s, left)
        self._selector.select(timeout_s)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(64)

    def wake(self) -> None:
        """End the present or the next `wait`; from any thread."""
        with contextlib.suppress(OSError):  # so many calls that the socket is full: it will wake; or it is closed
            self._waker.send(b"!")

    # -- calls --------------------------------------------------------------------------------------------------

    def _answer(self, now: float) -> bool:
        """Look at some of those who call."""
        assert self._server is not None
        for _ in range(CALLS):
            if self._calls_from > now:
                self._watch_calls(False)
                return True
            try:
                socket, address = self._server.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                # A caller that is gone again, or what the network had to say of it (accept(2)): on with the next. Where
                # no files are left: later, when some have been closed.
                if error.errno in _OUT_OF_FILES:
                    self._calls_from = now + OUT_OF_FILES_S
                continue
            self._calls_from = now + self._listener.looks_at_calls(now)
            if not self._listener.admits(now, str(address[0])):
                socket.close()
                continue
            try:
                _prepare(socket)
            except OSError:
                socket.close()
                continue
            connection = Connection(socket, str(address[0]), FrameReader(self._most), now)
            self._connections.add(connection)
            self._watch(connection)
            self._listener.on_call(connection)
        return True

    # -- bytes --------------------------------------------------------------------------------------------------

    def _read(self, connection: Connection, now: float) -> None:
        """Take a few frames; tell of the connection's end after the last that came."""
        self._unread.discard(connection)
        for _ in range(BURST):
            if connection.closed or connection.deaf:
                break
            try:
                frame = connection.reader.next_frame()
                if frame is None:
                    count = connection.socket.recv_into(connection.reader.space())
                    if not count:
                        self._lost(connection, "")
                        return
                    connection.heard_at = now
                    connection.reader.filled(count)
                    frame = connection.reader.next_frame()
            except BlockingIOError:
                return
            except WireError as error:
                self._lost(connection, error.what)
                return
            except OSError as error:
                self._lost(connection, _in_words(error))
                return
            if frame is not None:
                self._listener.on_frame(connection, frame)
        if not connection.closed:
            self._unread.add(connection)

    def _on_writable(self, connection: Connection) -> None:
        if connection.closed:
            return
        if connection.connecting:
            failure = connection.socket.getsockopt(plain.SOL_SOCKET, plain.SO_ERROR)
            if failure:
                self._lost(connection, os.strerror(failure).lower())
                return
            connection.connecting = False
            self._watch(connection)
            self._listener.on_connected(connection)
        else:
            self._flush(connection)

    def _flush(self, connection: Connection) -> None:
        rest = connection.rest
        try:
            while rest:
                sent = connection.socket.sendmsg(rest[:2])
                while rest and sent >= rest[0].nbytes:
                    sent -= rest.pop(0).nbytes
                if sent:
                    rest[0] = rest[0][sent:]
        except BlockingIOError:
            pass
        except OSError:
            # What came before the end still counts: reading will find it, and then the end.
            rest.clear()
            connection.mute = True
        self._watch(connection)

    def _lost(self, connection: Connection, reason: str) -> None:
        self.close(connection)
        self._listener.on_closed(connection, reason)

    # -- what to wait for ---------------------------------------------------------------------------------------

    def _watch_calls(self, answers: bool) -> None:
        assert self._server is not None
        self._answers = answers
        if answers:
            self._selector.register(self._server, selectors.EVENT_READ, None)
        else:
            self._selector.unregister(self._server)

    def _hear_all(self, hear: bool) -> None:
        if hear != self._hearing:
            self._hearing = hear
            for connection in self._connections:
                self._watch(connection)

    def _watch(self, connection: Connection) -> None:
        if connection.closed:
            return
        reads = self._hearing and not connection.deaf and not connection.connecting
        events = selectors.EVENT_READ * reads | selectors.EVENT_WRITE * bool(connection.rest or connection.connecting)
        if events == connection.events:
            return
        if not connection.events:
            self._selector.register(connection.socket, events, connection)
        elif events:
            self._selector.modify(connection.socket, events, connection)
        else:
            self._selector.unregister(connection.socket)
        connection.events = events


def _prepare(socket: plain.socket) -> None:
    socket.setblocking(False)
    socket.setsockopt(plain.IPPROTO_TCP, plain.TCP_NODELAY, 1)


def _server(address: str) -> plain.socket:
    host, port = split_address(address)
    if host != "*":
        family = plain.AF_INET6 if ":" in host else plain.AF_INET
        return plain.create_server((host, port), family=family, backlog=BACKLOG)
    if plain.has_dualstack_ipv6():
        try:
            return plain.create_server(("", port), family=plain.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
    return plain.create_server(("", port), backlog=BACKLOG)


def split_address(address: str) -> tuple[str, int]:
    """Host, without brackets, and port of `tcp://HOST:PORT`; `localhost` is 127.0.0.1."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    host = host.strip("[]")
    return ("127.0.0.1" if host.lower() == "localhost" else host), int(port)


def _in_words(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

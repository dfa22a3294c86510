"""Frames over ZeroMQ's STREAM sockets in one thread: one that listens, with a connection for each caller, and one for
each dialled.

Frames in, frames out, connections that come and go; what a frame means is not known here. A STREAM socket speaks no
protocol of ZeroMQ's to whoever calls: no parts that are kept until the last has come, no heartbeats, no names that a
caller chooses. What a stranger can do is to open a connection and to send bytes that are thrown away. Only `wake` may
be called from another thread.
"""

from __future__ import annotations

import time
from typing import Protocol

import zmq
from zmq.utils.monitor import parse_monitor_message

from p2pfl_me.errors import WireError
from p2pfl_me.wire.complaints import NO_ANSWER
from p2pfl_me.wire.framing import FrameReader
from p2pfl_me.wire.leaving import Line
from p2pfl_me.wire.station import Connection, Outcome, Station, caller_of
from p2pfl_me.wire.stream_sockets import BACKLOG, CONNECT_S, LINGER_S, Address, StreamSockets

BURST = 4
"""Frames taken from a connection in one turn, so that no link starves the others."""
CHUNKS = 256
"""Pieces of up to 8 KiB taken from a socket in one turn, for the same reason."""
CALLS = 16
"""Callers looked at in one turn."""
COPIED = 1 << 14
"""Frames up to this length leave in one piece with their prefix; copying longer ones costs more than a second piece."""
MOST_HELD = 1 << 23
"""Bytes kept of a connection that is not read for a while; whoever sends more is cut off."""
UNSETTLED = 64
"""Callers that nobody has looked at or whose end has not come yet: if there are more, nobody else is let in."""
UNHEARD_S = 1.0
"""How long nobody is heard before nobody else is let in; each who is costs memory until it is."""
UNREACHABLE = "refused or unreachable"
"""Why a call did not get through, if not for want of an answer. ZeroMQ does not tell the two apart."""


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
        self._sockets = StreamSockets()
        self._server: Station | None = None
        self._calls: dict[Connection, None] = {}
        """Callers that nobody has looked at, in the order in which they came."""
        self._calls_from = 0.0
        self._heard_at = time.monotonic()
        self._unread: set[Connection] = set()
        """Connections of which something is left to read."""
        self._stuck: set[Connection] = set()
        """Connections whose way out is full."""

    # -- opening and closing ------------------------------------------------------------------------------------

    def listen(self, address: str) -> None:
        """Listen at `tcp://HOST:PORT`; `*` stands for every interface of this machine.

        Raises
        ------
        PeerError
            The port is taken or the address is not this machine's.
        """
        self._server = self._sockets.bound(address)

    def dial(self, family: int, address: Address, now: float) -> Connection:
        """Begin to connect; `on_connected` or `on_closed` says how it went.

        Raises
        ------
        OSError
            It failed at once.
        """
        station = self._sockets.connecting(family, address)
        connection = Connection(station, b"", address[0], FrameReader(self._most), now, connecting=True)
        station.connections[b""] = connection
        return connection

    def close(self, connection: Connection) -> None:
        """End a connection, without a word to the listener; in a moment, if something was just said to a caller."""
        if connection.closed:
            return
        connection.closed = True
        self._calls.pop(connection, None)
        self._unread.discard(connection)
        self._stuck.discard(connection)
        connection.rest.clear()
        connection.chunks.clear()
        station = connection.station
        station.connections.pop(connection.id, None)
        if station is not self._server:
            self._sockets.retire(station)
        elif not connection.ended:
            station.leaving.begin(connection.id, connection.line, time.monotonic(), connection.said_at)

    def close_all(self) -> None:
        """Close everything; what was handed over before still leaves, for up to `LINGER_S` seconds."""
        until = time.monotonic() + LINGER_S
        while self._stuck and time.monotonic() < until:
            self._sockets.sleep(0.01)
            for connection in [*self._stuck]:
                self._flush(connection)
        self._server = None
        self._sockets.close()

    @property
    def connections(self) -> int:
        """How many there are, of callers and of neighbours that were dialled."""
        return sum(len(station.connections) for station in self._sockets.open)

    # -- use ----------------------------------------------------------------------------------------------------

    def send(self, connection: Connection, frame: bytes | memoryview) -> Outcome:
        """Hand over a frame, whose memory must not be written to any more; only when the connection `is_clear`."""
        if connection.closed or connection.mute:
            return Outcome.GONE
        connection.said_at = time.monotonic()
        prefix = connection.lengths.write(len(frame))
        if len(frame) <= COPIED:
            connection.rest.append(memoryview(prefix + frame))
        else:
            connection.rest += [memoryview(prefix), memoryview(frame).cast("B")]
        self._flush(connection)
        return Outcome.GONE if connection.mute else Outcome.SENT

    def hear(self, connection: Connection, *, hear: bool) -> None:
        """Whether to read on from a connection: what is not read makes its sender wait."""
        if connection.deaf == hear and not connection.closed:
            connection.deaf = not hear
            if hear and (connection.chunks or connection.ended):
                self._unread.add(connection)

    def work(self, now: float, *, hear: bool) -> bool:
        """Do what can be done at once: frames in, if `hear`; whether anything moved."""
        moved = self._look_at_calls(now)
        for connection in [*self._stuck]:
            moved |= self._flush(connection)
        if not hear:
            self._settle(now, hear=False)
            return moved
        for connection in [each for each in self._unread if not each.deaf]:
            moved = True
            self._read(connection)
        for station in [*self._sockets.open]:
            moved |= self._receive(station, now)
        self._settle(now, hear=True)
        return moved

    def wait(self, timeout_s: float | None, now: float, *, hear: bool) -> None:
        """Sleep until `work` may have something to do, or `wake`; `timeout_s` at most."""
        if self._server is not None and (due := self._server.leaving.due()) is not None:
            left = max(0.0, due - now)
            timeout_s = left if timeout_s is None else min(timeout_s, left)
        if self._calls and (left := self._calls_from - now) >= 0:
            timeout_s = left if timeout_s is None else min(timeout_s, left)
        come = [station.has_come() for station in self._sockets.open]  # of all: each then says anew when more comes
        if not hear or not (any(come) or any(not each.deaf for each in self._unread)):
            self._sockets.sleep(timeout_s)
        self._sockets.awake()

    def wake(self) -> None:
        """End the present or the next `wait`; from any thread."""
        self._sockets.wake()

    # -- calls --------------------------------------------------------------------------------------------------

    def _look_at_calls(self, now: float) -> bool:
        """Answer some of those who have called."""
        moved = False
        for _ in range(min(CALLS, len(self._calls))):
            if self._calls_from > now:
                break
            connection, moved = next(iter(self._calls)), True
            del self._calls[connection]
            self._calls_from = now + self._listener.looks_at_calls(now)
            if self._listener.admits(now, connection.host):
                self._listener.on_call(connection)
                self._unread.add(connection)
            else:
                self.close(connection)
        return moved

    def _settle(self, now: float, *, hear: bool) -> None:
        """See callers off, and let no more in while many are not settled with or nobody has been heard for a while."""
        if hear:
            self._heard_at = now
        if self._server is None:
            return
        self._server.leaving.turn(now)
        unsettled = len(self._calls) + self._server.leaving.shut
        door, crowded = self._server.door, unsettled > UNSETTLED or now - self._heard_at > UNHEARD_S
        if door is not None and (crowded or unsettled <= UNSETTLED // 4):
            door.shut(shut=crowded)

    def _on_call(self, station: Station, name: bytes, frame: zmq.Frame, now: float) -> None:
        host = caller_of(frame)
        connection = Connection(station, name, host, FrameReader(self._most), now, Line.of(frame, host))
        station.connections[name] = connection
        if not host or len(self._calls) >= BACKLOG:
            self.close(connection)
        else:
            self._calls[connection] = None

    # -- bytes --------------------------------------------------------------------------------------------------

    def _receive(self, station: Station, now: float) -> bool:
        """Take what has come on a socket, then read the connections that it was for; whether anything had come."""
        if station.monitor is not None:
            self._hear_of_failure(station, now)
        touched: dict[Connection, None] = {}
        taken, socket, connections = 0, station.socket, station.connections
        while taken < CHUNKS and not socket.closed:
            try:
                name = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                station.leaving.emptied(now)
                break
            taken += 1
            if connection := connections.get(name):
                if data := socket.recv(zmq.NOBLOCK):
                    connection.take(data, now)
                else:
                    connection.ended = True
                if connection in self._calls:  # it has gone, or speaks before it was greeted: nobody of ours does
                    self.close(connection)
                else:
                    touched[connection] = None
            elif name in station.leaving:
                station.leaving.came(name, socket.recv(zmq.NOBLOCK), now)
            else:
                self._on_news(station, name, socket.recv(zmq.NOBLOCK, copy=False), now)
        for connection in touched:
            if connection.held > MOST_HELD and not connection.closed:
                self._lost(connection, "it sends although nobody reads")
            self._read(connection)
        return taken > 0

    def _on_news(self, station: Station, name: bytes, frame: zmq.Frame, now: float) -> None:
        """A connection has come up: one that we dialled, or a caller's. Or something of one that we have closed."""
        if dialled := station.connections.pop(b"", None):
            dialled.id, dialled.connecting = name, False
            station.connections[name] = dialled
            self._listener.on_connected(dialled)
        elif not frame.bytes:
            self._on_call(station, name, frame, now)

    def _hear_of_failure(self, station: Station, now: float) -> None:
        assert station.monitor is not None
        while not station.monitor.closed:
            try:
                told = parse_monitor_message(station.monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            connection = station.connections.get(b"")
            if told["event"] == zmq.EVENT_CLOSED and connection is not None:
                waited = abs(now - connection.heard_at - CONNECT_S) < CONNECT_S / 2  # longer: this process slept
                self._lost(connection, NO_ANSWER if waited else UNREACHABLE)
                return

    def _read(self, connection: Connection) -> None:
        """Take a few frames; tell of the connection's end after the last that came."""
        self._unread.discard(connection)
        for _ in range(BURST):
            if connection.closed or connection.deaf:
                return
            try:
                frame = connection.next_frame()
            except WireError as error:
                self._lost(connection, error.what)
                return
            if frame is None:
                if connection.ended:
                    self._lost(connection, "")
                return
            self._listener.on_frame(connection, frame)
        if not connection.closed:
            self._unread.add(connection)

    def _flush(self, connection: Connection) -> bool:
        """Hand on what is left; whether anything was."""
        rest, socket, moved = connection.rest, connection.station.socket, False
        try:
            while rest:
                socket.send(connection.id, zmq.SNDMORE | zmq.NOBLOCK)
                socket.send(rest[0], zmq.NOBLOCK, copy=False)
                rest.pop(0)
                moved = True
        except zmq.Again:
            self._stuck.add(connection)
            return moved
        except zmq.ZMQError:
            # What came before the end still counts: reading will find it, and then the end.
            rest.clear()
            connection.mute = moved = True
        self._stuck.discard(connection)
        return moved

    def _lost(self, connection: Connection, reason: str) -> None:
        self.close(connection)
        self._listener.on_closed(connection, reason)

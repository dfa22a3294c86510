"""One of ZeroMQ's STREAM sockets and the connections that it carries, each with what has come and what has not left."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from math import inf

import zmq

from p2pfl_me.wire.door import Door
from p2pfl_me.wire.framing import FrameReader, Lengths
from p2pfl_me.wire.leaving import Leaving, Line


class Outcome(Enum):
    """What became of a frame: handed on (or next in line), or without a receiver."""

    SENT = auto()
    GONE = auto()


@dataclass(slots=True, eq=False)
class Station:
    """One STREAM socket, its connections by the id that ZeroMQ gave them, and who tells of a failed call."""

    socket: zmq.Socket[bytes]
    monitor: zmq.Socket[bytes] | None = None
    door: Door | None = None
    connections: dict[bytes, Connection] = field(default_factory=dict)
    leaving: Leaving = field(init=False)

    def __post_init__(self) -> None:
        self.leaving = Leaving(self.socket)

    def files(self) -> list[int]:
        """The descriptors to wait for."""
        return [int(each.getsockopt(zmq.FD)) for each in (self.socket, self.monitor) if each is not None]

    def has_come(self) -> bool:
        """Whether something is to be read; what ZeroMQ's thread had to say is settled then."""
        sockets = [each for each in (self.socket, self.monitor) if each is not None]
        return any(int(each.getsockopt(zmq.EVENTS)) & zmq.POLLIN for each in sockets)


@dataclass(slots=True, eq=False)
class Connection:
    """One TCP connection. `host` is who called, or whom we dialled; `heard_at` when bytes last came from there.

    `line` is a caller's; `said_at` is when we said something after which nothing has come. `deaf` while nothing is to
    be read from it, `mute` once nothing can be sent any more.
    """

    station: Station = field(repr=False)
    id: bytes
    host: str
    reader: FrameReader = field(repr=False)
    heard_at: float
    line: Line | None = field(default=None, repr=False)
    said_at: float = -inf
    connecting: bool = False
    deaf: bool = False
    closed: bool = False
    mute: bool = False
    ended: bool = False
    lengths: Lengths = field(default_factory=Lengths, repr=False)
    rest: list[memoryview] = field(default_factory=list, repr=False)
    chunks: deque[memoryview] = field(default_factory=deque, repr=False)
    held: int = 0

    @property
    def is_clear(self) -> bool:
        """Whether a frame would leave at once, as far as it is known."""
        return not (self.rest or self.connecting or self.mute or self.closed)

    def take(self, data: bytes, now: float) -> None:
        """Bytes have come."""
        self.heard_at, self.said_at = now, -inf
        self.chunks.append(memoryview(data))
        self.held += len(data)

    def next_frame(self) -> memoryview | None:
        """The next whole frame of what has come, None while bytes are missing.

        Raises
        ------
        WireError
            What has come is no frame.
        """
        while (frame := self.reader.next_frame()) is None and self.chunks:
            space, chunk = self.reader.space(), self.chunks[0]
            count = min(space.nbytes, chunk.nbytes)
            space[:count] = chunk[:count]
            self.reader.filled(count)
            self.held -= count
            if count == chunk.nbytes:
                self.chunks.popleft()
            else:
                self.chunks[0] = chunk[count:]
        return frame


def caller_of(named: zmq.Frame) -> str:
    """The address of a caller, empty if it has gone again before anybody could ask."""
    try:
        return str(named.get("Peer-Address"))
    except zmq.ZMQError:
        return ""

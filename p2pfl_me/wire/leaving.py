"""How callers leave a listening STREAM socket: the line is shut, what was sent is thrown away, the end awaited.

ZeroMQ closes a connection when it is sent an empty message. But of a caller who had filled the queue to us and then
reset its connection it keeps everything for good then, a descriptor and up to 1 MiB (libzmq 4.3.5: what reads the
line waits for room in the queue, learns of the reset, looks at nothing any more, and so never hears that the queue has
gone). So the system is told instead, by shutdown(2): ZeroMQ finds the end behind what had come before, and tells us
with an empty message, the last that comes of this caller.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

import zmq

from p2pfl_me.wire.door import held, let_in

LAST_WORDS_S = 1.0
"""How long our last words to a caller may take to leave."""
LAST_PIECES = 64
"""Pieces of up to 8 KiB that a caller may still send in that time."""
SETTLED_S = 1.0
"""After which it counts that nothing is left to read of a caller whose line is shut, though ZeroMQ told of no end."""


@dataclass(frozen=True, slots=True)
class Line:
    """The system's end of a caller's connection: a descriptor, which is ZeroMQ's, and the address of the other end."""

    descriptor: int
    other_end: object

    @classmethod
    def of(cls, frame: zmq.Frame, host: str) -> Line | None:
        """The line of a caller from this address, by a frame that came of it; None if it has ended.

        The descriptor of one that has just ended may be anything's already: the next caller's, a neighbour's that was
        dialled, a file's, or one to the kernel, which whoever looks a name up asks for interfaces and whose end has a
        number for an address. Its end is on its way, and there is nothing to shut. Only where the next one calls from
        the same address is it taken for this one; who shuts it before the end has come ends a call that is made again.
        """
        with contextlib.suppress(zmq.ZMQError, OSError):
            descriptor = int(frame.get(zmq.SRCFD))
            with held(descriptor) as line:
                is_callers, other_end = line.family in (socket.AF_INET, socket.AF_INET6), line.getpeername()
                if is_callers and _plain(other_end[0]) == _plain(host):
                    let_in(line)
                    return cls(descriptor, other_end)
        return None

    def shut(self) -> None:
        """Have neither end send any more; a line that has ended, and whose descriptor is another's by now, is left."""
        with contextlib.suppress(OSError), held(self.descriptor) as line:
            if line.getpeername() == self.other_end:
                line.shutdown(socket.SHUT_RDWR)


def _plain(host: str) -> str:
    """An address without the name of the interface that it is reached by, which not all tell."""
    return host.partition("%")[0]


class Leaving:
    """Those of one socket that we have closed and ZeroMQ has not yet."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket
        self._reading: dict[bytes, tuple[float, int, Line | None]] = {}
        """Who may still read our last words: until when, and how many pieces it may send until then."""
        self._shut: dict[bytes, float] = {}
        """Whose line is shut, since when."""
        self._emptied_at = self._turned_at = 0.0

    def __contains__(self, name: bytes) -> bool:
        return name in self._shut or name in self._reading

    @property
    def shut(self) -> int:
        """How many are shut and have not ended yet."""
        return len(self._shut)

    def due(self) -> float | None:
        """When `turn` has something to do; None if only what comes can bring that about."""
        due = [until for until, _, _ in self._reading.values()] + [since + SETTLED_S for since in self._shut.values()]
        return min((at for at in due if at > self._turned_at), default=None)

    def begin(self, name: bytes, line: Line | None, now: float, said_at: float) -> None:
        """One leaves; `said_at` is when something was said to it that may still be on its way."""
        if now < said_at + LAST_WORDS_S:
            self._reading[name] = said_at + LAST_WORDS_S, LAST_PIECES, line
        else:
            self._end(name, line, now)

    def came(self, name: bytes, data: bytes, now: float) -> None:
        """Something of it has come, which is its end if it is nothing."""
        if not data:
            self._reading.pop(name, None)
            self._shut.pop(name, None)
        elif name in self._reading:
            until, left, line = self._reading[name]
            if left:
                self._reading[name] = until, left - 1, line
            else:
                del self._reading[name]
                self._end(name, line, now)

    def emptied(self, now: float) -> None:
        """All that had come on the socket has been read."""
        self._emptied_at = now

    def turn(self, now: float) -> None:
        """Do what is due."""
        self._turned_at = now
        for name, line in [(name, line) for name, (until, _, line) in self._reading.items() if until <= now]:
            del self._reading[name]
            self._end(name, line, now)
        for name, since in [*self._shut.items()]:
            if self._emptied_at < since + SETTLED_S:
                break
            del self._shut[name]
            if not self._has_gone(name):
                self._shut[name] = now

    def _end(self, name: bytes, line: Line | None, now: float) -> None:
        if line is not None:
            line.shut()
        self._shut[name] = now

    def _has_gone(self, name: bytes) -> bool:
        """Whether ZeroMQ knows it no longer: its end is not told where the queue was full to the last place."""
        try:
            self._socket.send(name, zmq.SNDMORE | zmq.NOBLOCK)
            self._socket.send(b"", zmq.NOBLOCK)  # there was no descriptor to shut it by
        except zmq.Again:
            return False
        except zmq.ZMQError:
            return True
        return True

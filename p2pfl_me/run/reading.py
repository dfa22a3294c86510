"""Event logs read back: whole, or as they grow. What cannot be read is told by line and reason, and stops nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from p2pfl_me.files import open_regular, read_regular
from p2pfl_me.run.codec import Logged, decode
from p2pfl_me.run.declare import LineError, UnknownEvent
from p2pfl_me.run.events import AnyEvent
from p2pfl_me.run.folder import RunFolder


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that could not be read: its file, its number from 1 (0: all of it), why. `newer`: whole, but not ours."""

    file: str
    line: int
    why: str
    newer: bool = False

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.why}" if self.line else f"{self.file}: {self.why}"


@dataclass(frozen=True, slots=True)
class Log:
    """All that a peer's log says, in order, and what of it cannot be read."""

    events: tuple[Logged, ...] = ()
    unread: tuple[Unread, ...] = ()


def read_log(folder: RunFolder, peer: int) -> Log:
    """A peer's log with the parts that were put aside; an absent file is an empty log.

    A last line without its newline that cannot be read was being written when its writer was stopped: it is no damage.
    """
    events: list[Logged] = []
    unread: list[Unread] = []
    for path in (*folder.older_logs(peer), folder.log(peer)):
        try:
            data = read_regular(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            unread.append(Unread(path.name, 0, f"cannot be read: {error.strerror or error}", False))
            continue
        lines = data.split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                events.append(decode(line))
            except LineError as error:
                if number < len(lines):
                    unread.append(Unread(path.name, number, error.what, isinstance(error, UnknownEvent)))
    return Log(tuple(events), tuple(unread))


_COMPARED = 4096
"""Bytes before a place in a log by which it is known again: a line has its time, so no other log has them there."""


class Tail:
    """Reads what has been added to a peer's log, whole lines only. A log that is put aside is read to its end first.

    Who looks so seldom that two logs are put aside in between misses the second. One that was removed and written again
    by its peer (`lines.Lines`) is gone on with where it was read to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        self.newer = 0
        """Lines that a newer version wrote, and that say nothing here."""

    def events(self) -> Iterator[AnyEvent]:
        """What the lines say that were added since the last look."""
        return (line.event for line in self.lines())

    def lines(self) -> Iterator[Logged]:
        """The lines that were added since the last look, with their times."""
        while True:
            if self._file is None:
                try:
                    self._file = open_regular(self._path)
                except OSError:
                    return
            aside = self._is_aside()  # asked before the last look: nothing is added to it afterwards
            yield from self._more()
            if not aside:
                return
            with self._file as before:
                self._file = self._again(before)
            if self._file is None:
                self._rest = b""

    def _again(self, before: BinaryIO) -> BinaryIO | None:
        """What lies under the name now, behind the lines that were read in `before`, if it begins with all of these."""
        at = before.tell()
        if os.fstat(before.fileno()).st_nlink:
            return None
        try:
            file = open_regular(self._path)
        except OSError:
            return None
        begin = max(0, at - _COMPARED)
        if os.pread(file.fileno(), at - begin, begin) == os.pread(before.fileno(), at - begin, begin):
            file.seek(at)
            return file
        file.close()
        return None

    def _is_aside(self) -> bool:
        assert self._file is not None
        try:
            return os.fstat(self._file.fileno()).st_ino != self._path.stat().st_ino
        except FileNotFoundError:
            return False

    def _more(self) -> Iterator[Logged]:
        assert self._file is not None
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            try:
                yield decode(line)
            except LineError as error:  # the line of a peer that was killed while it wrote, or of a newer version
                self.newer += isinstance(error, UnknownEvent)

"""Event logs read back: whole, or as they grow. What cannot be read is told by line and reason, and stops nobody."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
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
    files = _files(folder, peer)
    while True:
        log = _read(files)
        if (now := _files(folder, peer)) == files:  # else its newest part was put aside before it was read
            return log
        files = now


def _files(folder: RunFolder, peer: int) -> list[Path]:
    """All parts of a log, the oldest first; one that a kill left under both of its names once."""
    newest, older = folder.log(peer), folder.older_logs(peer)
    with suppress(OSError):
        if older and older[-1].samefile(newest):
            older.pop()
    return [*older, newest]


def _read(files: Iterable[Path]) -> Log:
    events: list[Logged] = []
    unread: list[Unread] = []
    for path in files:
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
    """Reads what has been added to a peer's log, whole lines only, at first all that is kept of it.

    However many parts are put aside between two looks, each is read to its end. A log that was removed and written
    again by its peer (`lines.Lines`) is gone on with where it was read to.
    """

    def __init__(self, folder: RunFolder, peer: int) -> None:
        self._folder, self._peer, self._path = folder, peer, folder.log(peer)
        self._file: BinaryIO | None = None
        self._done: Path | None = None
        """The last part that was put aside and is read."""
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
                if not self._path.exists():
                    return
                path = self._next()
                try:
                    self._file = open_regular(path)
                except OSError:
                    if path == self._path:
                        return
                    self._done = path
                    continue
            aside = self._is_aside()  # asked before the last look: nothing is added to it afterwards
            yield from self._more()
            if not aside:
                return
            with self._file as before:
                self._done = self._name_of(before) or self._done
                self._file = self._again(before)
            if self._file is None:
                self._rest = b""

    def _next(self) -> Path:
        """The part behind those that are read; the log itself behind the last."""
        older = self._folder.older_logs(self._peer)
        behind = older.index(self._done) + 1 if self._done in older else 0
        return next(iter(older[behind:]), self._path)

    def _name_of(self, file: BinaryIO) -> Path | None:
        """Under which name it was put aside."""
        status = os.fstat(file.fileno())
        for path in reversed(self._folder.older_logs(self._peer)):
            with suppress(OSError):
                if os.path.samestat(path.stat(), status):
                    return path
        return None

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

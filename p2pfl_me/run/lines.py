"""Append-only files of JSON lines: private, claimed by one process, written at once, bounded where that is asked."""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from p2pfl_me.errors import PeerError
from p2pfl_me.files import open_private, private_folder, refusing
from p2pfl_me.run.codec import encode
from p2pfl_me.run.events import AnyEvent
from p2pfl_me.run.ledger import Sent, sent_line

LOG_BYTES = 16 * 2**20
"""An event log that has grown to this many bytes is put aside, and a new one begun."""
KEPT_LOGS = 7
"""So many are put aside at most; then the oldest goes. With the current one: 128 MiB a peer."""
FIX = "free some space or choose another folder with --out, then give the same command again"


class Lines:
    """One file of lines. Any thread may append; a line is written whole, before `append` returns.

    Where somebody moves the file away while it is written, the lines that follow begin a new one at PATH; where
    somebody removes it, it is there again with the next line, and whole. A folder that was moved takes its files along.

    `limit` bounds it in bytes: PATH is then put aside as NAME.1.jsonl, NAME.2.jsonl, ..., of which `KEPT_LOGS` stay.

    Raises
    ------
    PeerError
        The file cannot be opened or written (a full disk, a folder without permission), or another process has begun
        to write at PATH.
    """

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self._path, self._limit = path, limit
        self._claimed = False
        self._lock = threading.Lock()
        with refusing(PeerError, path, FIX):
            if not path.parent.exists():
                private_folder(path.parent)
            self._file = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._begun = False

    def claim(self) -> None:
        """Keep the file to this process until it ends.

        Raises
        ------
        PeerError
            Another process has claimed it.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            moved = os.fstat(self._file).st_ino != self._path.stat().st_ino
        except BlockingIOError:
            moved = True
        except OSError:
            return  # a file system without locks
        if moved:
            raise PeerError(
                "a running peer writes here",
                where=str(self._path),
                fix="stop it first, or name another folder with --out",
            )
        self._claimed = True

    def append(self, line: str) -> None:
        data = memoryview(f"{line}\n".encode())
        with self._lock, refusing(PeerError, self._path, FIX):
            self._follow_name()
            if not self._begun:
                self._end_torn_line()
            while data:
                data = data[os.write(self._file, data) :]
            if self._limit is not None and os.fstat(self._file).st_size >= self._limit:
                self._put_aside()

    def close(self) -> None:
        os.close(self._file)

    def _end_torn_line(self) -> None:
        """A peer killed while writing leaves half a line; end it, so that the next one can be read."""
        self._begun = True
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")

    def _follow_name(self) -> None:
        """What is appended lies where everybody looks for it, whatever became of the file under that name."""
        ours = os.fstat(self._file)
        try:
            there = self._path.stat(follow_symlinks=False)
        except OSError:
            if not self._path.parent.is_dir():
                return  # the whole folder has another name, or none
            self._begin_file(copied=ours.st_nlink == 0)
            return
        if not os.path.samestat(ours, there):
            self._take(open_private(self._path, os.O_RDWR | os.O_APPEND))
            self._begun = False

    def _begin_file(self, *, copied: bool) -> None:
        """A file under the name again; `copied`: with all that this process can still read of one that was removed."""
        fresh = self._fresh()
        file = open_private(fresh, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        at = 0
        while copied and (piece := os.pread(self._file, 2**20, at)):
            at += len(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(file, rest) :]
        fresh.replace(self._path)
        self._take(file)

    def _take(self, file: int) -> None:
        """Go on in another file, claimed as the one before was."""
        if self._claimed:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(file)
                raise PeerError(
                    "another process has begun to write here: the file was moved or removed while this peer ran",
                    where=str(self._path),
                    fix="stop it, see that both wrote one run, then give the same command again",
                ) from error
            except OSError:
                pass  # a file system without locks
        os.close(self._file)
        self._file = file

    def _fresh(self) -> Path:
        """Where the next file is made, before it gets the name."""
        fresh = self._path.with_name(f".{self._path.name}.next")
        fresh.unlink(missing_ok=True)
        return fresh

    def _put_aside(self) -> None:
        """The name always leads to a file that this process has claimed, so that no other can begin in between."""
        path = self._path
        parts = sorted(_parts(path))
        fresh = self._fresh()
        file = open_private(fresh, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        if self._claimed:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if parts and parts[-1][1].samefile(path):  # a kill came between the two names
            del parts[-1]
        else:
            aside = path.with_name(f"{path.stem}.{(parts[-1][0] if parts else 0) + 1}{path.suffix}")
            try:
                aside.hardlink_to(path)
            except OSError:  # a file system without links
                path.replace(aside)
        fresh.replace(path)
        os.close(self._file)
        self._file = file
        for _, old in parts[: max(0, len(parts) + 1 - KEPT_LOGS)]:
            with suppress(FileNotFoundError):
                old.unlink()


def _parts(path: Path) -> list[tuple[int, Path]]:
    pattern = re.compile(rf"{re.escape(path.stem)}\.([0-9]+){re.escape(path.suffix)}")
    return [(int(match[1]), each) for each in path.parent.iterdir() if (match := pattern.fullmatch(each.name))]


class JsonLines:
    """Lines of plain JSON objects, stamped with the wall clock: the record of a peer's inputs."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)

    def write(self, **values: Any) -> None:
        self._lines.append(json.dumps({"t": round(time.time(), 6), **values}, separators=(",", ":"), allow_nan=False))

    def close(self) -> None:
        self._lines.close()


class EventLog:
    """A peer's log. `listener` is shown each event after it was written; a simulator stamps with a `clock` of its own.

    Raises
    ------
    PeerError
        As `Lines`.
    """

    def __init__(
        self,
        path: Path,
        listener: Callable[[AnyEvent], None] | None = None,
        clock: Callable[[], float] = time.time,
        limit: int | None = LOG_BYTES,
    ) -> None:
        self._lines = Lines(path, limit)
        self._listener, self._clock = listener, clock

    def claim(self) -> None:
        """As `Lines.claim`."""
        self._lines.claim()

    def write(self, event: AnyEvent) -> None:
        self.append(self.line(event), event)

    def line(self, event: AnyEvent) -> str:
        """As it would be written now."""
        return encode(self._clock(), event)

    def append(self, line: str, event: AnyEvent) -> None:
        """Write a `line` that was made before."""
        self._lines.append(line)
        if self._listener:
            self._listener(event)

    def close(self) -> None:
        self._lines.close()


class Ledger:
    """A peer's egress ledger."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)

    def write(self, sent: Sent) -> None:
        self._lines.append(sent_line(time.time(), sent))

    def close(self) -> None:
        self._lines.close()

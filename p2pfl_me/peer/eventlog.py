"""Append-only JSON lines: the event log and the egress ledger of one peer. Console, report and tests read these."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from p2pfl_me.errors import PeerError


class JsonLines:
    """One file of JSON objects, a line each, stamped with the wall clock (`t`, Unix seconds) and written at once.

    `listener` is shown each object after it was written; a simulator stamps with a `clock` of its own.
    `mode` are the permissions of a new file, less the umask.

    Raises
    ------
    PeerError
        The file cannot be opened or written (a full disk, a folder without permission).
    """

    def __init__(
        self,
        path: Path,
        listener: Callable[[dict[str, Any]], None] | None = None,
        clock: Callable[[], float] = time.time,
        mode: int = 0o666,
    ) -> None:
        self._path, self._clock = path, clock
        self._listener = listener
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            end_torn_line(path)
            self._file: TextIO = open(  # noqa: SIM115 (closed by `close`)
                path, "a", encoding="utf-8", buffering=1, opener=lambda name, flags: os.open(name, flags, mode)
            )
        except OSError as error:
            raise _cannot_write(path, error) from error

    def claim(self) -> None:
        """Keep the file to this process until it ends.

        Raises
        ------
        PeerError
            Another process has claimed it.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PeerError(
                "a running peer writes here",
                where=str(self._path),
                fix="stop it first, or name another folder with --run",
            ) from error
        except OSError:
            return  # a file system without locks

    def write(self, **values: Any) -> None:
        line = json.dumps({"t": round(self._clock(), 6), **values}, separators=(",", ":"), allow_nan=False)
        try:
            self._file.write(line + "\n")
        except OSError as error:
            raise _cannot_write(self._path, error) from error
        if self._listener:
            self._listener(values)

    def close(self) -> None:
        self._file.close()


def end_torn_line(path: Path) -> None:
    """A peer killed while writing leaves half a line; end it, so that the next one can be read."""
    if path.exists() and path.stat().st_size:
        with path.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def _cannot_write(path: Path, error: OSError) -> PeerError:
    return PeerError(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        fix="free some space or choose another folder with --run, then go on with --resume",
    )

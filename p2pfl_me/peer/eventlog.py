"""Append-only JSON lines: the event log and the egress ledger of one peer. Console, report and tests read these."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from p2pfl_me.errors import PeerError
from p2pfl_me.files import private_folder, private_opener, refusing

FIX = "free some space or choose another folder with --run, then go on with --resume"


class JsonLines:
    """One file of JSON objects, a line each, stamped with the wall clock (`t`, Unix seconds) and written at once.

    `listener` is shown each object after it was written; a simulator stamps with a `clock` of its own.
    The file is its owner's alone.

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
    ) -> None:
        self._path, self._clock = path, clock
        self._listener = listener
        with refusing(PeerError, path, FIX):
            if not path.parent.exists():
                private_folder(path.parent)
            self._file = open(path, "a", encoding="utf-8", buffering=1, opener=private_opener)  # noqa: SIM115
            end_torn_line(path)

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
        with refusing(PeerError, self._path, FIX):
            self._file.write(line + "\n")
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

"""The line of a round while its model is stored: a kill between checkpoint and event log would lose it for good.

`unlogged-K.txt` holds it, before the checkpoint is written, with the number of rounds that are behind that checkpoint.
A life that goes on from there brings the line into the log, if it is not there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from p2pfl_me.errors import PeerError
from p2pfl_me.files import open_private, read_regular, refusing
from p2pfl_me.run.codec import Logged, decode
from p2pfl_me.run.declare import LineError
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog
from p2pfl_me.run.reading import read_log

FIX = "free some space or mend the disk, then give the same command again"


class Unlogged:
    """One peer's file while it runs.

    Raises
    ------
    PeerError
        It cannot be written or read.
    """

    def __init__(self, run: Path, peer: int) -> None:
        self._folder, self._peer = RunFolder(run), peer
        self._path = self._folder.unlogged(peer)

    def keep(self, completed: int, line: str) -> None:
        """The next checkpoint has `completed` rounds behind it, and `line` is to stand in the log after it."""
        with refusing(PeerError, self._path, FIX):
            file = open_private(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                rest = memoryview(f"{completed} {line}\n".encode())
                while rest:
                    rest = rest[os.write(file, rest) :]
            finally:
                os.close(file)

    def tell(self, log: EventLog, completed: int) -> None:
        """Bring into the log what a kill kept from it of the checkpoint with `completed` rounds."""
        with refusing(PeerError, self._path, FIX, "cannot be read"):
            try:
                text = read_regular(self._path, own=True)
            except FileNotFoundError:
                return
        rounds, _, line = text.removesuffix(b"\n").partition(b" ")
        if not text.endswith(b"\n") or rounds != str(completed).encode():
            return  # killed before the checkpoint was written
        with suppress(LineError):  # another version's
            if (told := decode(line)) not in self._told():
                log.append(line.decode(), told.event)

    def forget(self) -> None:
        """All is logged."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _told(self) -> tuple[Logged, ...]:
        return read_log(self._folder, self._peer).events

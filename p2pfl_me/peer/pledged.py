"""A real peer's pledges over all its lives, `pledges-K.bin`: eight bytes for each, in a file that is only added to.

A record is with the system before the pledge can leave, so a kill at any instant loses none. It is not waited for until
it is on the disk, which would take several times as long as a pledge: a power cut may lose the last seconds of it.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from p2pfl_me.errors import PeerError
from p2pfl_me.files import open_private, read_regular, refusing
from p2pfl_me.keyring import Pledges

FIX = "free some space or mend the disk, then give the same command again"
_RECORD = struct.Struct("<II")


class PledgesFile:
    """One peer's file while it runs.

    Raises
    ------
    PeerError
        It cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with refusing(PeerError, path, FIX):
            self._file = open_private(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        with refusing(PeerError, path, FIX, "cannot be read"):
            data = read_regular(path, own=True)
            whole = len(data) - len(data) % _RECORD.size
            if whole < len(data):
                os.ftruncate(self._file, whole)  # killed while it was written: that pledge was not given
        self.pledges = Pledges(_RECORD.iter_unpack(data[:whole]), self._keep)

    def close(self) -> None:
        os.close(self._file)

    def _keep(self, receiver: int, round: int) -> None:
        record = _RECORD.pack(receiver, round)
        with refusing(PeerError, self._path, FIX):
            written = os.write(self._file, record)
            if written < len(record):
                os.ftruncate(self._file, os.fstat(self._file).st_size - written)
                raise OSError(28, os.strerror(28))

"""Vectors by their SHA-256: what a recorded peer trained and was sent, each kept once for all peers of the folder."""

from __future__ import annotations

import hashlib
import weakref
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.atomic import write_whole
from p2pfl_me.errors import PeerError, RunError
from p2pfl_me.files import private_folder, read_regular, refusing
from p2pfl_me.run.folder import RunFolder

REMEMBERED = 8
"""Arrays whose digest is kept while they live: one model goes to many neighbours."""


class Digests:
    """SHA-256 (hex) of arrays' bytes, taken once for each array that is asked for again."""

    def __init__(self) -> None:
        self._known: deque[tuple[weakref.ref[npt.NDArray[Any]], str]] = deque(maxlen=REMEMBERED)

    def of(self, values: npt.NDArray[Any]) -> str:
        for known, found in self._known:
            if known() is values:
                return found
        found = hashlib.sha256(np.ascontiguousarray(values).view(np.uint8).data).hexdigest()
        self._known.append((weakref.ref(values), found))
        return found


class BlobStore:
    """The store of one run folder. A model that one peer trained and others received lies in it once."""

    def __init__(self, run: Path) -> None:
        self._folder = RunFolder(run).blobs
        self._digests = Digests()

    def keep(self, values: npt.NDArray[Any]) -> str:
        """Store an array unless it is there, for its owner's eyes only; its digest.

        Raises
        ------
        PeerError
            The disk is full or the folder cannot be written.
        """
        name = self._digests.of(values)
        path = self._folder / name
        with refusing(PeerError, path, "free some space, or go on without --record", "cannot be recorded"):
            if not path.exists():
                private_folder(self._folder)
                write_whole(path, (np.ascontiguousarray(values).view(np.uint8).data,))
        return name

    def digest(self, values: npt.NDArray[Any]) -> str:
        """The digest under which `keep` would store it."""
        return self._digests.of(values)

    def find(self, name: str, dtype: str) -> npt.NDArray[Any]:
        """The array stored under a digest, flat.

        Raises
        ------
        RunError
            It is missing, or its bytes are not those that were stored.
        """
        path = self._folder / name
        try:
            data = read_regular(path)
        except OSError as error:
            raise RunError(f"the recorded content is missing: {error.strerror}", where=str(path)) from error
        if hashlib.sha256(data).hexdigest() != name:
            raise RunError("the recorded content is not what was recorded: its digest differs", where=str(path))
        return np.frombuffer(data, dtype=dtype)

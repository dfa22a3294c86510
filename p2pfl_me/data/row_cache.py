"""Rows of numbers that were made once, in an append-only mapped file of the user's private cache (0600), by digest.

Images of clips and features of images lie in such files. `rows` holds the numbers; `keys` the 32-byte digests, each
with what is noted of its row, in the same order. A row counts once its key stands: a torn write is harmless. A lock
lets local peers share one cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.errors import DataError
from p2pfl_me.files import locked, open_private, open_regular, private_folder, read_regular, refusing

KEY = 32


@dataclass(frozen=True)
class RowCache:
    """One pair of files, of rows of one `shape` and `dtype`, with a note of `noted` bytes each.

    `name` is the files' name, and says all that the rows depend on but what the keys do; `what` they are, in words.
    """

    folder: Path
    name: str
    shape: tuple[int, ...]
    dtype: npt.DTypeLike
    noted: int = 0
    what: str = "cache"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the cache while rows are added.

        Raises
        ------
        DataError
            The folder cannot be written.
        """
        with ExitStack() as held:
            with self._refusing():
                held.enter_context(locked(self._path("lock")))
            yield

    def index(self) -> dict[bytes, int]:
        """Digest -> row."""
        data, entry = self._entries(), KEY + self.noted
        return {data[row * entry : row * entry + KEY]: row for row in range(len(data) // entry)}

    def notes(self, rows: Sequence[int]) -> list[bytes]:
        """What is noted of some rows."""
        data, entry = self._entries(), KEY + self.noted
        return [data[row * entry + KEY : (row + 1) * entry] for row in rows]

    def append(self, keys: Sequence[bytes], rows: npt.NDArray[Any], notes: Sequence[bytes] = ()) -> None:
        """Add rows (n, *shape) after the last that counts; call while `writing`.

        Raises
        ------
        DataError
            The disk is full or cannot be written.
        """
        count = self._count()
        added = np.ascontiguousarray(rows, dtype=self.dtype)
        entries = b"".join(key + note for key, note in zip(keys, notes or [b""] * len(keys), strict=True))
        assert len(entries) == len(added) * (KEY + self.noted), "a key and a note for each row"
        with self._refusing():
            with os.fdopen(self._open("rows"), "r+b") as file:
                file.seek(count * self._row_bytes)
                file.write(added.data)
            with os.fdopen(self._open("keys"), "r+b") as file:
                file.seek(count * (KEY + self.noted))
                file.truncate()
                file.write(entries)

    def bank(self) -> npt.NDArray[Any]:
        """All rows, (N, *shape), mapped copy-on-write: nothing is read before it is used, or written ever."""
        count = self._count()
        if count == 0:
            return np.empty((0, *self.shape), dtype=self.dtype)
        with self._refusing("read"), open_regular(self._path("rows"), None, own=True) as file:
            return np.memmap(file, dtype=self.dtype, mode="c", shape=(count, *self.shape))

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize

    def _path(self, ending: str) -> Path:
        return self.folder / f"{self.name}.{ending}"

    def _open(self, ending: str) -> int:
        private_folder(self.folder)
        return open_private(self._path(ending), os.O_CREAT | os.O_RDWR)

    def _entries(self) -> bytes:
        with self._refusing("read"):
            try:
                return read_regular(self._path("keys"), own=True)[: self._count() * (KEY + self.noted)]
            except FileNotFoundError:
                return b""

    def _count(self) -> int:
        """Of rows whose numbers are there, too: a power cut may leave keys alone."""
        sizes = []
        for ending, entry in (("keys", KEY + self.noted), ("rows", self._row_bytes)):
            try:
                sizes.append(self._path(ending).stat().st_size // entry)
            except FileNotFoundError:
                return 0
        return min(sizes)

    @contextmanager
    def _refusing(self, done: str = "written") -> Iterator[None]:
        fix = "free some space, or move P2PME_HOME to a larger disk"
        with refusing(DataError, self._path("rows"), fix, f"the {self.what} cannot be {done}"):
            yield

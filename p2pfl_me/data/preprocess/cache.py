"""Images that were made once, in an append-only mapped file of the user's private cache (0600), by digest.

`rows` holds the images' bytes; `keys` the 32-byte digests and what is noted of their clips, in the same order. A row
counts once its key stands, so a torn write is harmless. A lock lets local peers share one cache.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.data.preprocess.note import NOTE_BYTES, ClipNote
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_private, private_opener

KEY = 32
ENTRY = KEY + NOTE_BYTES
Image = npt.NDArray[np.uint8]


class ImageCache:
    """uint8 images (size, size, 3) of one recipe. Another recipe has files of its own."""

    def __init__(self, folder: Path, recipe: bytes, size: int) -> None:
        name = f"images-{recipe.hex()[:24]}"
        self._rows, self._keys, self._lock = (folder / f"{name}.{end}" for end in ("rows", "keys", "lock"))
        self._shape = (size, size, 3)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the cache while images are added."""
        with _private(self._lock, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def index(self) -> dict[bytes, int]:
        """Digest -> row."""
        data = self._keys.read_bytes() if self._keys.exists() else b""
        return {data[row * ENTRY : row * ENTRY + KEY]: row for row in range(len(data) // ENTRY)}

    def notes(self, rows: Sequence[int]) -> tuple[ClipNote, ...]:
        """What is noted of the clips that the rows belong to."""
        data = self._keys.read_bytes() if self._keys.exists() else b""
        return tuple(ClipNote.from_bytes(data[row * ENTRY + KEY : (row + 1) * ENTRY]) for row in rows)

    def append(self, keys: Sequence[bytes], notes: Sequence[ClipNote], images: Image) -> None:
        """Add images (n, size, size, 3) after the last that counts; call while `writing`.

        Raises
        ------
        DataError
            The disk is full or cannot be written.
        """
        count = self._count()
        try:
            with _private(self._rows, "r+b") as file:
                file.seek(count * images[0].nbytes)
                file.write(np.ascontiguousarray(images).data)
            with _private(self._keys, "r+b") as file:
                file.seek(count * ENTRY)
                file.truncate()
                file.write(b"".join(key + note.to_bytes() for key, note in zip(keys, notes, strict=True)))
        except OSError as error:
            raise DataError(
                f"the image cache cannot be written: {error.strerror}",
                where=str(self._rows),
                fix="free some space, or move P2PME_HOME to a larger disk",
            ) from error

    def bank(self) -> Image:
        """All images, uint8 (N, size, size, 3), mapped: nothing is read before it is used."""
        count = self._count()
        if count == 0:
            return np.empty((0, *self._shape), dtype=np.uint8)
        return np.memmap(self._rows, dtype=np.uint8, mode="r", shape=(count, *self._shape))

    def _count(self) -> int:
        return self._keys.stat().st_size // ENTRY if self._keys.exists() else 0


def _private(path: Path, mode: str) -> IO[Any]:
    """Open a file that only its owner may read, made if it is missing."""
    os.close(open_private(path, os.O_CREAT | os.O_RDWR))
    return open(path, mode, opener=private_opener)

"""A file that is replaced every round: whole for every reader, cheap to write, not lost by a kill or a power cut.

Three names share the work. The file itself; `.previous`, the one before it, which the next one is written over, because
memory that the system holds for a file already costs a third of fresh memory; and `.kept`, which is on the disk: the
first version is brought there before it has a name, and a thread brings a later one every half minute while the rounds
go on. What a power cut left of the others is for the reader to check.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from p2pfl_me.atomic import sync_file
from p2pfl_me.files import open_private

KEEP_S = 30.0
"""Seconds of work that a power cut may cost."""
_RENAME_EXCHANGE, _AT_FDCWD = 2, -100
"""Linux's fs.h and fcntl.h"""


def versions(path: Path) -> tuple[Path, Path, Path]:
    """The names under which a version of `path` may lie, the newest first."""
    return path, path.with_suffix(".previous"), path.with_suffix(".kept")


def replace_file(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write `parts` as the next version of `path`. A reader sees the old version or the new one, never half of one.

    Raises
    ------
    OSError
        A full disk or a folder that cannot be written; the last version stays as it was.
    """
    # Half of a first one must not pass for a version: whoever starts again would go on from it, and cannot.
    _, previous, kept = versions(path)
    is_first = not path.exists()
    spare = path.with_suffix(".first") if is_first else previous
    with suppress(FileNotFoundError):
        if spare.stat().st_nlink > 1:
            spare.unlink()  # it is the kept one, too: that must stay as it is
    file = open_private(spare, os.O_RDWR | os.O_CREAT)
    try:
        size = 0
        for part in parts:
            rest = memoryview(part).cast("B")
            while rest:
                written = os.write(file, rest)
                size, rest = size + written, rest[written:]
        os.ftruncate(file, size)
        if is_first:
            os.fsync(file)
    finally:
        os.close(file)
    if not kept.exists():  # what has been settled is on the disk, too, and would be written over next but one
        with suppress(OSError):  # a file system without links
            kept.hardlink_to(spare if is_first else path)
    _swap(spare, path)
    if is_first:
        sync_file(path.parent)


def settle(path: Path, *, sync: bool) -> None:
    """The last version is written: leave it alone under its name, on the disk if `sync`; else beside the kept one."""
    if not path.exists():
        return
    if sync:
        sync_file(path)
        sync_file(path.parent)
    _, previous, kept = versions(path)
    for other in (previous, kept) if sync else (previous,):
        with suppress(OSError):
            other.unlink(missing_ok=True)


class Keeper:
    """Brings a version to the disk now and then, in a thread of its own: the rounds never wait for the disk."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock() + KEEP_S
        self._thread: threading.Thread | None = None

    def replaced(self, path: Path) -> None:
        """`path` has a new version; keep it if the last kept one is old."""
        if self._clock() < self._due or (self._thread and self._thread.is_alive()):
            return
        self._due = self._clock() + KEEP_S
        *_, kept = versions(path)
        under_way = path.with_suffix(".keeping")
        with suppress(OSError):  # a file system without links, say: what is kept is worth less than the round
            under_way.unlink(missing_ok=True)
            under_way.hardlink_to(path)  # from here on nobody writes over it
            self._thread = threading.Thread(target=_keep, args=(under_way, kept), daemon=True, name="keeping")
            self._thread.start()

    def join(self) -> None:
        """Wait for what is under way."""
        if self._thread:
            self._thread.join()


def _keep(under_way: Path, kept: Path) -> None:
    with suppress(OSError):  # the disk is full or gone: the next round's own write says so
        sync_file(under_way)
        under_way.replace(kept)
        sync_file(kept.parent)


def _swap(spare: Path, path: Path) -> None:
    """Exchange two names where the system can (Linux), so that the old version serves again; else replace."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if path.exists() else None
    old, new = os.fsencode(spare), os.fsencode(path)
    if rename is None or rename(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_EXCHANGE) != 0:
        spare.replace(path)

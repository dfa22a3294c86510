"""Clips that stand twice in the data: the same pixels, perhaps under another subject or label."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TypeVar

from p2pfl_me.data.clip import Clip, Fault, Problem, in_order, place
from p2pfl_me.data.first_seen import FirstSeen
from p2pfl_me.data.frames import Listing, kept_listing
from p2pfl_me.data.images import file_bytes
from p2pfl_me.data.look import Images, Looker
from p2pfl_me.data.vectors import is_vectors
from p2pfl_me.errors import DataError
from p2pfl_me.machine import cores

NAMED = ("subject", "label", "split")
T = TypeVar("T")
HANDFUL = 32
"""Clips that a thread is given at a time."""
VECTORS = b"vectors"
"""Rows of feature vectors have no files of their own: all of them are compared."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A clip that came before: `where` it stands, and in which of subject, label and split the two differ."""

    where: str
    differs: tuple[str, ...]

    def problem(self, clip: Clip, what: str) -> Problem:
        """What to say of the later clip; `what` the two share, in words."""
        but = f", with another {' and '.join(self.differs)}" if self.differs else ""
        return Problem(clip.line, Fault.DUPLICATE, f"{what} as {self.where}{but}", clip.row)


def values_of(clip: Clip) -> str:
    """What two clips with one digest share, in words."""
    return "the same feature vector" if is_vectors(clip.path) else "the same pixels"


class DuplicateWatch:
    """Tells clips with one key."""

    def __init__(self) -> None:
        self._first = FirstSeen()

    def see(self, clip: Clip, key: bytes) -> Duplicate | None:
        """The clip that had this key before, if there was one."""
        names = (clip.subject, clip.label, clip.split)
        before = self._first.before(key, place(clip.line, clip.row), *names)
        if before is None:
            return None
        differs = (name for name, one, other in zip(NAMED, before[1:], names, strict=True) if one != other)
        return Duplicate(str(before[0]), tuple(differs))


def contradictions(clips: Sequence[Clip]) -> tuple[Problem, ...]:
    """Clips with the pixels of another one, but another subject or label.

    One file of each clip is read, and only clips whose first files are the same, byte for byte, are opened and
    compared, so that a run may ask. `check` opens all, and so finds the same pixels in files of another format, too.
    """
    first = partial(_first_file, listing=kept_listing())
    watch, found = DuplicateWatch(), list[Problem]()
    with ThreadPoolExecutor(cores()) as pool:  # files are read and hashed outside the interpreter's lock
        suspects: dict[bytes | None, list[Clip]] = defaultdict(list)
        for clip, digest in zip(clips, _in_handfuls(pool, first, clips), strict=True):
            suspects[digest].append(clip)
        suspects.pop(None, None)
        groups = [group for group in suspects.values() if len({(clip.subject, clip.label) for clip in group}) > 1]
        alike = [clip for group in groups for clip in group]
        looks = _in_handfuls(pool, Looker(Images.ALL).look, alike)
        for clip, look in zip(alike, looks, strict=True):
            again = watch.see(clip, look.digest) if look.digest else None
            if again and {"subject", "label"} & set(again.differs):
                found.append(again.problem(clip, values_of(clip)))
    return in_order(found)


def _in_handfuls(pool: ThreadPoolExecutor, ask: Callable[[Clip], T], clips: Sequence[Clip]) -> Iterator[T]:
    """What `ask` says of each, in their order: to hand over one at a time takes longer than a feature vector."""
    handfuls = [clips[begin : begin + HANDFUL] for begin in range(0, len(clips), HANDFUL)]
    return chain.from_iterable(pool.map(lambda some: [ask(clip) for clip in some], handfuls))


def _first_file(clip: Clip, listing: Listing) -> bytes | None:
    """A digest of the file of the clip's onset, or of its picture; the same for all feature vectors.

    None of what cannot be read: whoever reads it later says what is wrong with it.
    """
    if is_vectors(clip.path):
        return VECTORS
    try:
        if not clip.path.is_dir():
            return hashlib.sha256(file_bytes(clip.path)).digest()
        frames = listing(clip.path)
        onset = min(frames, default=None) if clip.onset is None else clip.onset
        first = frames.get(onset) if onset is not None else None
        return hashlib.sha256(file_bytes(first)).digest() if first else None
    except (DataError, OSError):
        return None

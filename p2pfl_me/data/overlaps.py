"""Clips that share frames of one folder: under two subjects they would be a leak, under two labels a contradiction."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterator

from p2pfl_me.data.clip import Clip, Fault, Problem, Quirk, Remark, place
from p2pfl_me.data.frames import place_on_disk
from p2pfl_me.data.images import IMAGES
from p2pfl_me.data.vectors import is_vectors

LAST = 10**9
"""Above every frame number."""


class OverlapWatch:
    """Finds clips of one folder whose frames, from onset to offset, are in part the same.

    The same frames once more are a duplicate, which whoever looks at the images names.
    """

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[int, int, str, str, str]]] = defaultdict(list)
        self._longest: dict[str, int] = {}

    def see(self, clip: Clip) -> Iterator[Problem | Remark]:
        """What one more clip shares with those before it."""
        if clip.path.suffix.lower() in IMAGES or is_vectors(clip.path):
            return
        file, where = place_on_disk(clip.path), place(clip.line, clip.row)
        first, last = clip.onset or 0, LAST if clip.offset is None else clip.offset
        seen = self._seen[file]
        reach = first - self._longest.get(file, 0)
        shared = [each for each in seen if reach <= each[0] <= last and each[1] >= first and each[:2] != (first, last)]
        insort(seen, (first, last, clip.subject, clip.label, where))
        self._longest[file] = max(self._longest.get(file, 0), last - first)
        others = next((each for each in shared if each[2] != clip.subject), None)
        if others:
            text = f"shares frames of {clip.path.name} with {others[4]}, which is of another subject, {others[2]}"
            yield Problem(clip.line, Fault.LEAK, text, clip.row)
        elif shared:
            other = next((each for each in shared if each[3] != clip.label), shared[0])
            but = f", which is {other[3]} and not {clip.label}" if other[3] != clip.label else ""
            here = f"{where}: " if clip.line else ""
            yield Remark(Quirk.OVERLAP, f"{here}shares frames of {clip.path.name} with {other[4]}{but}", clip.row)

"""Clips of one name: in a list of answers nobody could tell them apart."""

from __future__ import annotations

import os
from collections.abc import Iterator

from p2pfl_me.data.clip import Clip, Fault, Problem, place
from p2pfl_me.data.first_seen import FirstSeen
from p2pfl_me.data.images import IMAGES
from p2pfl_me.data.vectors import is_vectors


class NameWatch:
    """Finds clips that bear the name of another clip of the same subject, and lie elsewhere.

    Pictures in one folder may be frames of one clip, each with a row of its own; so may parts of one film. Rows of
    feature vectors are named by their places, so that two files have the same names.
    """

    def __init__(self) -> None:
        self._first = FirstSeen()

    def see(self, clip: Clip) -> Iterator[Problem]:
        """What is wrong with the name of one more clip."""
        if is_vectors(clip.path):
            return
        where = str(clip.path)
        folder, name = os.path.split(where)  # Path's own parts take several times as long, for every clip
        where = folder if os.path.splitext(name)[1].lower() in IMAGES else where  # noqa: PTH122
        before = self._first.before(f"{clip.subject}\0{clip.clip}".encode(), where, place(clip.line, clip.row))
        if before and before[0] != where:
            text = f"clip {clip.clip} of {clip.subject} has the name of the one of {before[1]}, and another path"
            yield Problem(clip.line, Fault.DUPLICATE, text, clip.row)

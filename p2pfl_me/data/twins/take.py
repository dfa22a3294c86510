"""The plan of a twin: who shows what in which frames, and what is planted in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from p2pfl_me.choice import derive_seed
from p2pfl_me.data.clip import Fault, Quirk, Row
from p2pfl_me.errors import DataError


class Folder(StrEnum):
    """What becomes of a clip's folder."""

    THERE = "there"
    GONE = "gone"
    EMPTY = "empty"


@dataclass(frozen=True)
class Planted:
    """Something odd (`Quirk`) or wrong (`Fault`) in a twin, and the row that a check must name for it."""

    kind: Quirk | Fault
    text: str
    row: Row

    def __str__(self) -> str:
        return f"{self.row}: {self.text} ({self.kind})"


@dataclass(frozen=True)
class Take:
    """One clip. Frames are numbered as on the disk; `cells` is what the sheet says instead of the truth.

    `lacking` frames are not written, `torn` ones hold no image; `count_from` is the number of the folder's first frame
    where that counts anew; `copies` is the serial number of the clip whose images lie here, too, `repeats` of that
    whose row stands here.
    """

    subject: int
    serial: int
    label: str
    onset: int
    apex: int
    offset: int
    cells: Mapping[str, str | None] = field(default_factory=dict)
    lacking: frozenset[int] = frozenset()
    torn: frozenset[int] = frozenset()
    folder: Folder = Folder.THERE
    copies: int | None = None
    repeats: int | None = None
    count_from: int | None = None
    planted: tuple[tuple[Quirk | Fault, str], ...] = ()

    def saying(self, kind: Quirk | Fault, text: str, **changes: object) -> Take:
        return replace(self, planted=((kind, text),), **changes)  # type: ignore[arg-type]

    def writing(self, kind: Quirk | Fault, text: str, **cells: str | None) -> Take:
        """The sheet says `cells`."""
        return self.saying(kind, text, cells={**self.cells, **cells})


@dataclass(frozen=True)
class TwinSpec:
    """How large a twin is; `height` of its frames in pixels, None for one that a face detector can work on."""

    subjects: int = 4
    clips: int = 6
    seed: int = 1
    height: int | None = None
    faults: bool = False


def plan_takes(spec: TwinSpec, labels: Sequence[str], *, first: int, films: bool) -> list[Take]:
    """`clips` takes of every subject: the labels in turn, so that each stands there as often as the others.

    In `films` the takes of a subject follow each other; elsewhere each begins where the coders happened to cut.
    """
    takes = []
    for subject in range(spec.subjects):
        random = np.random.default_rng(derive_seed(spec.seed, "twin", subject))
        begin = first
        for clip in range(spec.clips):
            onset = begin + int(random.integers(3, 30))
            apex = onset + int(random.integers(4, 7))
            offset = apex + int(random.integers(4, 7))
            begin = offset + 20 if films else first
            serial = subject * spec.clips + clip
            takes.append(Take(subject, serial, labels[(serial + subject) % len(labels)], onset, apex, offset))
    return takes


Plant = Callable[[Take, Take], Take]
"""From a take, and one before it that stays sound, to the take with something planted in it."""


def plant(takes: Sequence[Take], plants: Sequence[Plant], spec: TwinSpec, title: str) -> list[Take]:
    """Each of `plants` in a take of its own, spread over the twin.

    Raises
    ------
    DataError
        Fewer takes than plants.
    """
    if len(takes) < len(plants) + spec.subjects:
        raise DataError(
            f"{len(takes)} clips are too few for the {len(plants)} things to plant in a twin of {title}",
            fix="draw more: --subjects and --clips",
        )
    out = list(takes)
    places = [int((index + 1) * len(takes) / (len(plants) + 1)) for index in range(len(plants))]
    free = [place for place in range(len(takes)) if place not in places]
    for place, each in zip(places, plants, strict=True):
        other = next(takes[earlier] for earlier in reversed(free) if earlier < place)
        out[place] = each(out[place], other)
    return out

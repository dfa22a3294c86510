"""What was not seen: no face, no picture, too few pictures, one that stands still. Absence is told as what it is, never
as "no event"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

LEAST_S = 1.0
"""Absences that are shorter are not told: a turn of the head is none."""
MOST_UNSEEN = 0.5
"""Share of a film that may be unseen before its result is no result."""


class Lack(StrEnum):
    """Why nothing can be spotted at a moment."""

    FACE = "no face"
    PICTURE = "no picture"
    RATE = "too slow"
    STILL = "no motion"
    """The picture stands still as no living face does."""
    JUMPS = "no one face"
    """Faces take each other's place from picture to picture, as where two people's pictures were mixed."""


@dataclass(frozen=True, slots=True)
class Absence:
    """From one picture to another nothing could be spotted."""

    kind: Lack
    onset_s: float
    offset_s: float

    @property
    def seconds(self) -> float:
        return self.offset_s - self.onset_s


class AbsenceMeter:
    """Told of every picture in the order of time, it says when an absence has ended, and what share of time it was."""

    def __init__(self) -> None:
        self._kind: Lack | None = None
        self._since_s = 0.0
        self._first_s: float | None = None
        self._last_s = 0.0
        self._lost_s: dict[Lack, float] = {}
        self.pictures = 0

    def push(self, time_s: float, lack: Lack | None, since_s: float | None = None) -> Iterator[Absence]:
        """A picture, why nothing can be spotted in it, if so, and since when that was so, where it shows late; the
        absences that end with it."""
        self.pictures += 1
        if self._first_s is None:
            self._first_s = self._since_s = self._last_s = time_s
        before, self._last_s = self._last_s, time_s
        if time_s - before >= LEAST_S:
            yield from self._ended(before)
            yield self._counted(Absence(Lack.PICTURE, before, time_s))
            self._since_s = time_s
        if lack is not self._kind:
            begin_s = time_s if since_s is None else max(self._since_s, since_s)
            yield from self._ended(begin_s)
            self._kind, self._since_s = lack, begin_s

    def finish(self, unfound_s: float | None = None) -> Iterator[Absence]:
        """The absence that lasts to the end, however short if it is the whole; of a face that is still held, and that
        no search has found since `unfound_s`."""
        if self._kind is None and unfound_s is not None:
            self._kind, self._since_s = Lack.FACE, max(self._since_s, unfound_s)
        yield from self._ended(self._last_s, whole=self._since_s == self._first_s)

    @property
    def current(self) -> Absence | None:
        """The absence that lasts."""
        if self._kind is None:
            return None
        found = Absence(self._kind, self._since_s, self._last_s)
        return found if found.seconds >= LEAST_S else None

    @property
    def shares(self) -> dict[Lack, float]:
        """What share of the time was lost to each; of a film that has been finished."""
        whole = self._last_s - (self._first_s or 0.0)
        return {kind: min(1.0, lost / whole) for kind, lost in self._lost_s.items()} if whole > 0 else {}

    @property
    def unseen(self) -> bool:
        """Whether so much was lost that the film's result is none."""
        return self.pictures < 2 or sum(self.shares.values()) > MOST_UNSEEN

    def words(self) -> str:
        """What was lost, in words; nothing where all was seen."""
        said = {
            Lack.FACE: "no face in {} of it",
            Lack.PICTURE: "no picture for {} of it",
            Lack.RATE: "too few pictures a second to spot anything in {} of it",
            Lack.STILL: "the picture stands still in {} of it",
            Lack.JUMPS: "faces take each other's place in {} of it, as where two people's pictures are mixed",
        }
        return ", ".join(said[kind].format(f"{share:.0%}") for kind, share in self.shares.items())

    def _ended(self, time_s: float, *, whole: bool = False) -> Iterator[Absence]:
        if self._kind is not None and (time_s - self._since_s >= LEAST_S or (whole and time_s > self._since_s)):
            yield self._counted(Absence(self._kind, self._since_s, time_s))

    def _counted(self, absence: Absence) -> Absence:
        self._lost_s[absence.kind] = self._lost_s.get(absence.kind, 0.0) + absence.seconds
        return absence

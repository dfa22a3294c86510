"""Who is before the camera: faces are looked for now and then, and held where they are in between.

A person is a place in the picture over time. One who leaves and comes back is a new person: faces are compared with
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.preprocess.faces import EyesSource, Face, find_faces
from p2pfl_me.live.person import Person
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.spotter import Observation

Image = npt.NDArray[np.uint8]

SEARCH_S = 0.5
"""Seconds between two searches."""
LOST_S = 2.0
"""A person that was not found for so long has gone: head turns last less."""
MOVED = 0.15
"""A face that has moved or grown by this share of its side, at two searches in a row, is held anew."""
MOST = 4
"""Persons watched at once; the largest faces come first."""


@dataclass(frozen=True, eq=False)
class Look:
    """A person and what was just seen of them."""

    person: Person
    observation: Observation


class Tracker:
    """Follows persons through pictures in the order of time. A function of the pictures and their time stamps alone."""

    def __init__(self, settings: SpotterSettings) -> None:
        self._settings = settings
        self._persons: list[Person] = []
        self._strangers: list[Face] = []
        """Faces of the last search that nobody holds: seen there again, they are a person."""
        self._moved: dict[int, Face] = {}
        self._searched_s: float | None = None
        self._shape: tuple[int, ...] = ()
        self._count = 0
        self._found_s: float | None = None

    @property
    def lost_s(self) -> float | None:
        """When somebody was last found, where nobody is there any more; a face is held for two seconds after that."""
        return None if self._persons else self._found_s

    @property
    def unfound_s(self) -> float | None:
        """The same, where the last search found nobody, who may yet be held."""
        found = max((person.seen_s for person in self._persons), default=self._found_s)
        return None if found == self._searched_s else found

    @property
    def persons(self) -> tuple[Person, ...]:
        """Who is before the camera now."""
        return tuple(self._persons)

    def push(self, time_s: float, frame: Image, *, cut: bool = False) -> list[Look]:
        """What is seen of each person in one picture, uint8 (H, W, 3) RGB; with a `cut` it is compared with none before
        it. Of another size it is another camera's, or the same turned round: nobody is where they were."""
        if frame.shape != self._shape:
            self._shape, self._searched_s = frame.shape, None
            for held in (self._persons, self._strangers, self._moved):
                held.clear()
        if cut:
            for person in self._persons:
                person.forget()
        if self._searched_s is None or time_s - self._searched_s >= SEARCH_S or self._strangers:
            self._searched_s = time_s
            self._settle(time_s, find_faces(frame)[:MOST])
        if not self._persons:
            return []
        grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        looks = ((person, person.look(time_s, frame, grey)) for person in self._persons)
        return [Look(person, seen) for person, seen in looks if seen is not None]

    def _settle(self, time_s: float, faces: Sequence[Face]) -> None:
        free = list(faces)
        for person in self._persons:
            mine = min(free, key=lambda face: _apart(face, person.face), default=None)
            if mine is None or _apart(mine, person.face) > 0.6:
                continue
            free.remove(mine)
            person.seen_s = time_s
            if person.jumps.replaced:  # by another face, for a search finds one there
                self._count += 1
                person.number, person.jumps.replaced = self._count, False
            self._follow(person, mine)
        self._found_s = max((person.seen_s for person in self._persons), default=self._found_s)
        self._persons = [person for person in self._persons if time_s - person.seen_s < LOST_S]
        for face in free:
            if len(self._persons) < MOST and any(_apart(face, other) < 0.3 for other in self._strangers):
                self._count += 1
                person = Person(self._count, face, self._settings)
                person.seen_s = time_s
                self._persons.append(person)
        held = [person.face for person in self._persons]
        self._strangers = [face for face in free if face not in held]

    def _follow(self, person: Person, face: Face) -> None:
        before = self._moved.pop(person.number, None)
        if _apart(face, person.face) < MOVED and abs(face.side / person.face.side - 1) < 2 * MOVED:
            return
        if before is not None and _apart(face, before) < MOVED and face.eyes is EyesSource.SEEN:
            person.anchor(face)
        else:
            self._moved[person.number] = face


def _apart(face: Face, other: Face) -> float:
    """Distance between the middles of two faces, in sides of the second."""
    x = face.x + face.side / 2 - other.x - other.side / 2
    y = face.y + face.side / 2 - other.y - other.side / 2
    return float(np.hypot(x, y)) / other.side

"""What the page shows, picture by picture: persons, what they did, how fast the camera is.

The one path of camera and film. A function of the pictures and their time stamps: a film gives the same report twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from p2pfl_me.live.absence import Absence, AbsenceMeter, Lack
from p2pfl_me.live.index import EmotionIndex
from p2pfl_me.live.naming import Name, Namer
from p2pfl_me.live.person import Person
from p2pfl_me.live.rates import RateMeter
from p2pfl_me.live.stillness import Stillness
from p2pfl_me.live.tracker import Look, Tracker
from p2pfl_me.spotting.event import Event, Verdict
from p2pfl_me.spotting.interval import Kind
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.spotter import LiveSpotter, Observation

Image = npt.NDArray[np.uint8]

PUT_BACK_S = 1.0
"""A clock that goes back by more was put back. By less, two pictures have come in each other's place or at one time."""

TICK_S = 1 / 30
"""Between the last picture before a clock was put back and the first after it."""

LEAST_S = 1e-3
"""Between two pictures of one time."""


class State(StrEnum):
    """What a person's face is used for at the moment."""

    LEARNING = "learning"
    WATCHING = "watching"
    SLOW = "slow"
    """Pictures come too seldom: nothing is spotted."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One person now. The box is in pixels; evidence and threshold in doublings, of about half a second ago."""

    person: int
    x: float
    y: float
    side: float
    state: State
    progress: float
    evidence: float | None
    threshold: float | None
    evidence_s: float | None
    index: float | None


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a person, with its name where there is a model and the expression is a micro-expression."""

    person: int
    event: Event
    name: Name | None


@dataclass(frozen=True, slots=True)
class Report:
    """What one picture gave; `absences` are those that it ended, `lacking` the one that lasts."""

    time_s: float
    persons: tuple[Seen, ...]
    events: tuple[Told, ...]
    absences: tuple[Absence, ...]
    lacking: Absence | None
    camera_fps: float | None
    watched_fps: float | None
    dropped: int


class Clock:
    """Time that runs forward only: a camera whose clock is put back would otherwise show nothing for as long."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._ahead_s = 0.0

    def forward(self, time_s: float) -> float:
        """A time stamp, with what it was put back by added from then on."""
        told_s = time_s + self._ahead_s
        if self._last_s is not None:
            if told_s < self._last_s - PUT_BACK_S:
                self._ahead_s = self._last_s - time_s + TICK_S
                told_s = self._last_s + TICK_S
            told_s = max(told_s, self._last_s + LEAST_S)
        self._last_s = told_s
        return told_s


class Watcher:
    """Watches pictures in the order of time. Holds the last two seconds in memory and keeps no picture."""

    def __init__(self, settings: SpotterSettings, namer: Namer | None) -> None:
        self._settings, self._namer = settings, namer
        self._tracker = Tracker(settings)
        self._spotters: dict[int, LiveSpotter] = {}
        self._indices: dict[int, EmotionIndex] = {}
        self._rates = RateMeter()
        self._stillness = Stillness()
        self._clock = Clock()
        self.absence = AbsenceMeter()

    def push(self, time_s: float, image: Image, taken: int) -> Report:
        """One picture, uint8 (H, W, 3) RGB, with its time stamp and the camera's count of pictures."""
        time_s = self._clock.forward(time_s)
        self._stillness.push(time_s, image)
        self._rates.push(time_s, taken, new=not self._stillness.repeated)
        persons, events = [], []
        looks = self._tracker.push(time_s, image, cut=self._stillness.went_on)
        lack = lack_of(looks, self._rates, self._stillness)
        for look in looks:
            number = look.person.number
            spotter = self._spotters.setdefault(number, LiveSpotter(self._settings))
            seen = look.observation if lack is None else Observation(time_s, None, None)
            events += [self._told(look.person, event) for event in spotter.push(seen)]
            persons.append(self._seen(time_s, look, spotter, slow=lack is Lack.RATE))
        since_s = lacks_since(lack, self._tracker, self._stillness)
        return self._report(time_s, persons, events, tuple(self.absence.push(time_s, lack, since_s)))

    @property
    def unfound_s(self) -> float | None:
        """When somebody was last found, where the last search found nobody."""
        return self._tracker.unfound_s

    def finish(self) -> tuple[Told, ...]:
        """The events that were waited for, when no picture follows: of the persons who are still there."""
        told = []
        for person in self._tracker.persons:
            if (spotter := self._spotters.get(person.number)) is not None:
                told += [self._told(person, event) for event in spotter.finish()]
        return tuple(told)

    def _told(self, person: Person, event: Event) -> Told:
        name = None
        if self._namer and event.verdict is Verdict.EXPRESSION and event.interval.kind is Kind.MICRO:
            held = person.between(event.interval.onset_s, event.interval.offset_s)
            if len(held) > 1:
                name = self._namer.name(held, event.apex_s)
        if name is not None and name.sure:
            self._indices.setdefault(person.number, EmotionIndex()).add(event.apex_s, name.label)
        return Told(person.number, event, name)

    def _seen(self, time_s: float, look: Look, spotter: LiveSpotter, *, slow: bool) -> Seen:
        face, newest = look.person.face, spotter.newest
        index = self._indices.get(look.person.number)
        return Seen(
            person=look.person.number,
            x=face.x,
            y=face.y,
            side=face.side,
            state=State.SLOW if slow else State.WATCHING if spotter.progress >= 1 else State.LEARNING,
            progress=spotter.progress,
            evidence=newest.evidence.doublings if newest else None,
            threshold=newest.threshold if newest else None,
            evidence_s=newest.evidence.index / self._settings.rate if newest else None,
            index=index.at(time_s) if index else None,
        )

    def _report(
        self, time_s: float, persons: Iterable[Seen], events: Iterable[Told], absences: tuple[Absence, ...]
    ) -> Report:
        rates, lacking = self._rates, self.absence.current
        return Report(
            time_s,
            tuple(persons),
            tuple(events),
            absences,
            lacking,
            rates.camera_fps,
            rates.watched_fps,
            rates.dropped,
        )


def lacks_since(lack: Lack | None, tracker: Tracker, stillness: Stillness) -> float | None:
    """Since when it lacks, of what shows late: a picture that stands still, a face that is held after it has gone."""
    if lack is Lack.STILL:
        return stillness.since_s
    return tracker.lost_s if lack is Lack.FACE else None


def lack_of(looks: Sequence[Look], rates: RateMeter, stillness: Stillness) -> Lack | None:
    """Why nothing can be spotted in a picture, if so."""
    if not looks:
        return Lack.FACE
    if stillness.hangs:
        return Lack.STILL
    if all(look.person.jumps.alternates for look in looks):
        return Lack.JUMPS
    return Lack.RATE if rates.slow else None

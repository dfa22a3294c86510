"""Spotting in a film that is at hand as a whole: thresholds and neutral faces are those of the film."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from p2pfl_me.live.absence import MOST_UNSEEN, Absence, AbsenceMeter, Lack
from p2pfl_me.live.film import Film
from p2pfl_me.live.naming import Name, Namer
from p2pfl_me.live.rates import RateMeter
from p2pfl_me.live.stillness import Stillness
from p2pfl_me.live.tracker import Tracker
from p2pfl_me.live.watcher import State, Watcher, lack_of, lacks_since
from p2pfl_me.spotting.event import Event
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.spotter import Observation, is_long_enough, spot

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Spotted:
    """An event of the person with this number, and its name where a model gave one."""

    person: int
    event: Event
    name: Name | None = None


@dataclass(frozen=True)
class Result:
    """What a film gave: its events in the order of onset, and where nothing could be spotted."""

    events: tuple[Spotted, ...]
    absences: tuple[Absence, ...]
    unseen: bool
    """Whether so much of it was not seen that it says nothing of the person."""
    words: str
    """What was not seen, in words; empty where all was."""


def spot_film(film: Film, settings: SpotterSettings, progress: Progress | None = None) -> Result:
    """All events of all persons, by the film's own thresholds and neutral faces."""
    tracker, rates, meter, stillness = Tracker(settings), RateMeter(), AbsenceMeter(), Stillness()
    seen: dict[int, list[Observation]] = {}
    absences: list[Absence] = []
    for count, picture in enumerate(film.pictures(), 1):
        stillness.push(picture.time_s, picture.image)
        rates.push(picture.time_s, count, new=not stillness.repeated)
        looks = tracker.push(picture.time_s, picture.image, cut=stillness.went_on)
        lack = lack_of(looks, rates, stillness)
        absences += meter.push(picture.time_s, lack, lacks_since(lack, tracker, stillness))
        for look in looks:
            observed = look.observation if lack is None else Observation(picture.time_s, None, None)
            seen.setdefault(look.person.number, []).append(observed)
        if progress:
            progress(count)
    absences += meter.finish(tracker.unfound_s)
    shown_late = [each for each in absences if each.kind in (Lack.STILL, Lack.FACE)]
    moving = {number: list(_without(shown_late, each)) for number, each in seen.items()}
    events = (Spotted(number, event) for number, each in moving.items() for event in spot(each, settings))
    long_enough = any(is_long_enough(each, settings) for each in moving.values())
    return _result(events, absences, meter, 0.0 if long_enough else 1.0)


def watch_film(
    film: Film, settings: SpotterSettings, namer: Namer | None = None, progress: Progress | None = None
) -> Result:
    """The same as the live page decides it, from what was seen so far; named where there is a model."""
    watcher = Watcher(settings, namer)
    events: list[Spotted] = []
    absences: list[Absence] = []
    learning = 0
    for count, picture in enumerate(film.pictures(), 1):
        report = watcher.push(picture.time_s, picture.image, count)
        events += [Spotted(told.person, told.event, told.name) for told in report.events]
        absences += report.absences
        learning += bool(report.persons) and all(seen.state is State.LEARNING for seen in report.persons)
        if progress:
            progress(count)
    events += [Spotted(told.person, told.event, told.name) for told in watcher.finish()]
    absences += watcher.absence.finish(watcher.unfound_s)
    return _result(events, absences, watcher.absence, learning / max(1, watcher.absence.pictures))


def _without(absences: Sequence[Absence], seen: Iterable[Observation]) -> Iterator[Observation]:
    """What was seen, less the motion while the picture stood still or nobody was there any more: it would pass for the
    calmest of faces."""
    for each in seen:
        absent = any(span.onset_s < each.time_s <= span.offset_s for span in absences)
        yield Observation(each.time_s, None, None) if absent else each


def _result(events: Iterable[Spotted], absences: Iterable[Absence], meter: AbsenceMeter, learning: float) -> Result:
    """`learning` is the share of pictures in which nothing could be spotted yet: nobody's calm face was known."""
    found = sorted(events, key=lambda each: (each.event.interval.onset_s, each.person))
    lost = sum(meter.shares.values())
    short = lost <= MOST_UNSEEN < lost + min(learning, 1.0 - lost)
    words = f"too short: in {learning:.0%} of it the calm face was not known yet" if short else ""
    said = ", ".join(filter(None, (meter.words(), words)))
    return Result(tuple(found), tuple(absences), meter.unseen or short, said)

"""Spotting in a film that is at hand as a whole: thresholds and neutral faces are those of the film."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from p2pfl_me.live.film import Film
from p2pfl_me.live.naming import Name, Namer
from p2pfl_me.live.tracker import Tracker
from p2pfl_me.live.watcher import Watcher
from p2pfl_me.spotting.event import Event
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.spotter import Observation, spot

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Spotted:
    """An event of the person with this number, and its name where a model gave one."""

    person: int
    event: Event
    name: Name | None = None


def spot_film(film: Film, settings: SpotterSettings, progress: Progress | None = None) -> list[Spotted]:
    """All events of all persons in the order of onset, by the film's own thresholds and neutral faces."""
    tracker = Tracker(settings)
    seen: dict[int, list[Observation]] = {}
    for count, picture in enumerate(film.pictures(), 1):
        for look in tracker.push(picture.time_s, picture.image):
            seen.setdefault(look.person.number, []).append(look.observation)
        if progress:
            progress(count)
    return _ordered(Spotted(number, event) for number, each in seen.items() for event in spot(each, settings))


def watch_film(
    film: Film, settings: SpotterSettings, namer: Namer | None = None, progress: Progress | None = None
) -> list[Spotted]:
    """The same as the live page decides it, from what was seen so far; named where there is a model."""
    return _ordered(_watched(film, Watcher(settings, namer), progress))


def _watched(film: Film, watcher: Watcher, progress: Progress | None) -> Iterator[Spotted]:
    for count, picture in enumerate(film.pictures(), 1):
        for told in watcher.push(picture.time_s, picture.image, count).events:
            yield Spotted(told.person, told.event, told.name)
        if progress:
            progress(count)
    for told in watcher.finish():
        yield Spotted(told.person, told.event, told.name)


def _ordered(found: Iterable[Spotted]) -> list[Spotted]:
    return sorted(found, key=lambda each: (each.event.interval.onset_s, each.person))

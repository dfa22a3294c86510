"""Spots the expressions of one person, as they happen or in a film that has been seen to its end.

Two distances are watched. What stands out over the short one, comes back within it and does not stand out much more
over the long one is a micro-expression; what else stands out over the long one is a macro-expression.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from p2pfl_me.spotting.contrast import Contrast, Contraster, flatten
from p2pfl_me.spotting.event import Event, Verdict
from p2pfl_me.spotting.evidence import Evidence, Known, Learning, Level, neutral_level, weigh
from p2pfl_me.spotting.interval import Interval, Kind
from p2pfl_me.spotting.motion import Motion
from p2pfl_me.spotting.resample import Resampler
from p2pfl_me.spotting.scale import Scale, Weighed, blinks, turns
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.threshold import Fixed, Running, film_threshold


@dataclass(frozen=True, slots=True)
class Observation:
    """One picture of a person: the motion over each k that ends with it, None where there is no earlier picture."""

    time_s: float
    micro: Motion | None
    macro: Motion | None


class Spotter:
    """Feed it observations in the order of time; it gives events, each once, in the order of their decision."""

    def __init__(self, settings: SpotterSettings, micro: Scale, macro: Scale) -> None:
        self._settings = settings
        self._micro, self._macro = micro, macro
        self._n, self._wide = settings.micro_samples(), settings.macro_samples()
        self._waiting: list[Weighed] = []
        self._found: list[int] = []

    @property
    def newest(self) -> Weighed | None:
        """The latest sample over the short distance; None until the neutral face is known."""
        return self._micro.newest

    def push(self, observation: Observation) -> Iterator[Event]:
        """Take one observation; the events that can be told by now."""
        self._micro.push(observation.time_s, observation.micro)
        self._macro.push(observation.time_s, observation.macro)
        yield from self._decide(ended=False)

    def finish(self) -> Iterator[Event]:
        """The events that were waited for, when no observation follows any more."""
        yield from self._decide(ended=True)

    def _decide(self, *, ended: bool) -> Iterator[Event]:
        self._waiting += self._micro.peaks(ended=ended)
        known = self._macro.newest
        while self._waiting:
            peak = self._waiting[0].evidence
            if not ended and (known is None or known.evidence.index < peak.index + self._n):
                break
            self._waiting.pop(0)
            verdict = self._verdict(peak, self._micro, self._n)
            if verdict is not Verdict.EXPRESSION:
                yield self._event(verdict, peak, Kind.MICRO)
            elif self._is_brief(peak):
                self._found.append(peak.index)
                yield self._event(verdict, peak, Kind.MICRO)
        for weighed in self._macro.peaks(ended=ended):
            peak = weighed.evidence
            near = any(abs(peak.index - index) <= 2 * self._wide for index in self._found)
            if not near and self._verdict(peak, self._macro, self._wide) is Verdict.EXPRESSION:
                yield self._event(Verdict.EXPRESSION, peak, Kind.MACRO)

    def _verdict(self, peak: Evidence, scale: Scale, reach: int) -> Verdict:
        around = list(scale.around(peak.index, reach))
        if any(turns(each.contrast, peak.level, self._settings) for each in around):
            return Verdict.TURN
        if any(blinks(each.contrast, peak.level, self._settings) for each in around):
            return Verdict.BLINK
        return Verdict.EXPRESSION

    def _is_brief(self, peak: Evidence) -> bool:
        if peak.contrast.left[peak.group] > self._settings.unreturned:
            return False
        longer = max((each.contrast.level[peak.group] for each in self._macro.around(peak.index, self._n)), default=0.0)
        return peak.level >= self._settings.brief * longer

    def _event(self, verdict: Verdict, peak: Evidence, kind: Kind) -> Event:
        k = self._settings.micro_s if kind is Kind.MICRO else self._settings.macro_s
        apex = peak.index / self._settings.rate
        return Event(verdict, Interval(apex - k, apex + k, kind), apex, peak.group, peak.doublings)


class LiveSpotter(Spotter):
    """The neutral face and the threshold are learnt as the person is seen."""

    def __init__(self, settings: SpotterSettings) -> None:
        self._learning = Learning(settings)
        memory = round(settings.memory_s * settings.rate)
        scales = []
        for distance, neutral in (
            (settings.micro_samples(), self._learning),
            (settings.macro_samples(), Learning(settings)),
        ):
            scales.append(Scale(distance, settings, neutral, Running(settings.p, settings.least, memory)))
        super().__init__(settings, *scales)

    @property
    def progress(self) -> float:
        """0 to 1; at 1 the person's neutral face is known."""
        return self._learning.progress


def spot(observations: Iterable[Observation], settings: SpotterSettings) -> list[Event]:
    """The events of one person in a whole film, whose neutral level and threshold are those of the film."""
    seen = list(observations)
    scales = []
    for distance, motions in (
        (settings.micro_samples(), [(each.time_s, each.micro) for each in seen]),
        (settings.macro_samples(), [(each.time_s, each.macro) for each in seen]),
    ):
        contrasts = list(_contrasts(motions, distance, settings))
        neutral = neutral_level(contrasts, settings.still)
        threshold = film_threshold(list(_calm(contrasts, neutral, settings)), settings.p, settings.least)
        scales.append(Scale(distance, settings, Known(neutral), Fixed(threshold)))
    spotter = Spotter(settings, *scales)
    events = [event for each in seen for event in spotter.push(each)]
    events += spotter.finish()
    return sorted(events, key=lambda event: event.interval.onset_s)


def is_long_enough(observations: Iterable[Observation], settings: SpotterSettings) -> bool:
    """Whether a person was seen for as long as a micro-expression takes, and what stands before and behind it."""
    distance = settings.micro_samples()
    motions = ((each.time_s, each.micro) for each in observations)
    return sum(1 for _ in islice(_contrasts(motions, distance, settings), 2 * distance)) == 2 * distance


def _contrasts(
    motions: Iterable[tuple[float, Motion | None]], distance: int, settings: SpotterSettings
) -> Iterator[Contrast]:
    resampler, contraster = Resampler(settings.rate, settings.gap_s), Contraster(distance)
    for time_s, motion in motions:
        for index, sample in resampler.push(time_s, None if motion is None else flatten(motion)):
            if (contrast := contraster.push(index, sample)) is not None:
                yield contrast


def _calm(contrasts: Iterable[Contrast], neutral: Level, settings: SpotterSettings) -> Iterator[float]:
    for contrast in contrasts:
        evidence = weigh(contrast, neutral)
        if not (blinks(contrast, evidence.level, settings) or turns(contrast, evidence.level, settings)):
            yield evidence.doublings

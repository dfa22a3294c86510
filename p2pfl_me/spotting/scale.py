"""One distance k: from motions over k to peaks of evidence, with what the eyes and the head did meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from p2pfl_me.spotting.contrast import Contrast, Contraster, flatten
from p2pfl_me.spotting.evidence import Evidence, Neutral, weigh
from p2pfl_me.spotting.motion import Motion
from p2pfl_me.spotting.resample import Resampler
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.threshold import Threshold


@dataclass(frozen=True, slots=True)
class Weighed:
    """Evidence, and what an event needed at that moment."""

    evidence: Evidence
    threshold: float


class Scale:
    """Motions over one k, in order, to weighed samples and their peaks."""

    def __init__(self, distance: int, settings: SpotterSettings, neutral: Neutral, threshold: Threshold) -> None:
        self._settings, self._reach = settings, 2 * distance
        self._resampler = Resampler(settings.rate, settings.gap_s)
        self._contraster = Contraster(distance)
        self._neutral, self._threshold = neutral, threshold
        self._last = 0.0
        self._kept: dict[int, Weighed] = {}
        self._next = 0
        """First sample that was not yet looked at as a peak."""

    @property
    def newest(self) -> Weighed | None:
        return self._kept[max(self._kept)] if self._kept else None

    def push(self, time_s: float, motion: Motion | None) -> None:
        """Take the motion from k before `time_s` to `time_s`; None where there was none to be had."""
        values = None if motion is None else flatten(motion)
        for index, sample in self._resampler.push(time_s, values):
            contrast = self._contraster.push(index, sample)
            if contrast is not None and (level := self._neutral.push(contrast)) is not None:
                self._keep(weigh(contrast, level))

    def peaks(self, *, ended: bool = False) -> Iterator[Weighed]:
        """The peaks that can be told by now: above the threshold, and the greatest within 2k on both sides."""
        if not self._kept:
            return
        newest = max(self._kept)
        decided = newest + 1 if ended else newest - self._reach + 1
        for index in range(self._next, decided):
            weighed = self._kept.get(index)
            if weighed is not None and weighed.evidence.doublings >= weighed.threshold and self._greatest(weighed):
                yield weighed
        self._next = max(self._next, decided)
        for old in [each for each in self._kept if each < self._next - 2 * self._reach]:
            del self._kept[old]

    def around(self, index: int, reach: int) -> Iterator[Evidence]:
        """The samples within `reach` of `index`."""
        for each in range(index - reach, index + reach + 1):
            if (weighed := self._kept.get(each)) is not None:
                yield weighed.evidence

    def _keep(self, evidence: Evidence) -> None:
        # Blinks and turns are no measure of how strong expressions are: they leave the threshold alone.
        moved = blinks(evidence.contrast, evidence.level, self._settings) or turns(
            evidence.contrast, evidence.level, self._settings
        )
        if not moved:
            self._last = self._threshold.push(evidence.doublings)
        self._kept[evidence.index] = Weighed(evidence, max(self._last, self._settings.least))

    def _greatest(self, weighed: Weighed) -> bool:
        mine = (weighed.evidence.doublings, -weighed.evidence.index)
        return all((each.doublings, -each.index) <= mine for each in self.around(weighed.evidence.index, self._reach))


def blinks(contrast: Contrast, level: float, settings: SpotterSettings) -> bool:
    """The eyes moved, and brows and mouth far less."""
    return contrast.eyes > settings.blink * level


def turns(contrast: Contrast, level: float, settings: SpotterSettings) -> bool:
    """The nose moved, and brows and mouth no more than it."""
    return contrast.head > max(settings.turn, level)

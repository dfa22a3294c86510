"""How many times a person's own neutral motion a contrast is.

In doublings, so that one strong expression does not make weak ones vanish below a threshold that lies between the mean
and the maximum.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from p2pfl_me.spotting.contrast import Contrast
from p2pfl_me.spotting.regions import Group
from p2pfl_me.spotting.settings import SpotterSettings

RENEW = 10
"""Samples after which the running neutral level is computed anew."""
FAINTEST = 2.0**-6
"""Shares of the neutral level below this are all alike."""

Level = Mapping[Group, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """A contrast that was weighed: `doublings` of the neutral level in the group that shows most."""

    contrast: Contrast
    group: Group
    doublings: float

    @property
    def index(self) -> int:
        return self.contrast.index

    @property
    def level(self) -> float:
        return self.contrast.level[self.group]


class Neutral(Protocol):
    """Sees every contrast once, in order, and knows a person's neutral level in each group, or not yet."""

    def push(self, contrast: Contrast) -> Level | None: ...


class Known:
    """A neutral level that was found before: of a film that has been seen to its end."""

    def __init__(self, level: Level) -> None:
        self._level = level

    def push(self, contrast: Contrast) -> Level | None:
        return self._level


class Learning:
    """The median over the last `memory_s`, which short acts hardly move; unknown for the first `baseline_s`."""

    def __init__(self, settings: SpotterSettings) -> None:
        self._settings = settings
        self._needed = round(settings.baseline_s * settings.rate)
        self._seen: deque[Contrast] = deque(maxlen=round(settings.memory_s * settings.rate))
        self._level: Level = {}
        self._until_renewal = 0

    @property
    def progress(self) -> float:
        """0 to 1; at 1 the person's neutral face is known."""
        return min(1.0, len(self._seen) / self._needed)

    def push(self, contrast: Contrast) -> Level | None:
        self._seen.append(contrast)
        if len(self._seen) < self._needed:
            return None
        if self._until_renewal == 0:
            self._level = neutral_level(self._seen, self._settings.still)
            self._until_renewal = RENEW
        self._until_renewal -= 1
        return self._level


def neutral_level(contrasts: Iterable[Contrast], still: float) -> Level:
    """The median contrast of each group, at least `still`."""
    levels = np.array([[contrast.level[group] for group in Group] for contrast in contrasts]).reshape(-1, len(Group))
    medians = np.median(levels, axis=0) if len(levels) else np.zeros(len(Group))
    return {group: max(still, float(median)) for group, median in zip(Group, medians, strict=True)}


def weigh(contrast: Contrast, neutral: Level) -> Evidence:
    """The evidence of the group that stands out most."""
    doublings = {group: math.log2(max(contrast.level[group] / neutral[group], FAINTEST)) for group in Group}
    group = max(Group, key=lambda each: doublings[each])
    return Evidence(contrast, group, doublings[group])

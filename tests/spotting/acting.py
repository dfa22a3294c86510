"""A face without a picture: displacements over time, and the observations that a perfect flow would make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from p2pfl_me.spotting.motion import GROUPS, Motion
from p2pfl_me.spotting.regions import Group
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.spotter import Observation

NOISE = 0.001
"""What DIS gives on neutral drawn faces, in distances between the eyes."""


@dataclass(frozen=True)
class Bump:
    """Rises and falls between `onset` and `onset + seconds`; `hold` is the share of the time spent at the height."""

    onset: float
    seconds: float
    height: float = 0.03
    hold: float = 0.0
    apex: float = 0.5

    def __call__(self, time: float) -> float:
        share = (time - self.onset) / self.seconds
        rise, fall = self.apex * (1 - self.hold), 1 - (1 - self.apex) * (1 - self.hold)
        if not 0 < share < 1:
            return 0.0
        if share < rise:
            return self.height * float(np.sin(np.pi / 2 * share / rise) ** 2)
        return self.height * (1.0 if share <= fall else float(np.cos(np.pi / 2 * (share - fall) / (1 - fall)) ** 2))


Track = Callable[[float], float]


def still(time: float) -> float:
    return 0.0


@dataclass(frozen=True)
class Face:
    """Who moves how: two patches of a group, both eyes, the head."""

    skin: Sequence[Track] = ()
    eyes: Sequence[Track] = ()
    head: Sequence[Track] = ()
    group: Group = Group.BROWS
    seed: int = 0

    def observe(self, times: Sequence[float], settings: SpotterSettings | None = None) -> list[Observation]:
        settings = settings or SpotterSettings()
        random = np.random.default_rng(self.seed)
        stamps = np.asarray(times)
        out = []
        for now in times:
            motions: list[Motion | None] = []
            for k in (settings.micro_s, settings.macro_s):
                before = stamps[np.abs(stamps - (now - k)).argmin()]
                motions.append(self._motion(before, now, random) if abs(before - (now - k)) <= k / 4 else None)
            out.append(Observation(now, *motions))
        return out

    def _motion(self, before: float, now: float, random: np.random.Generator) -> Motion:
        def moved(tracks: Sequence[Track]) -> float:
            return sum(track(now) - track(before) for track in tracks)

        patches = NOISE * random.standard_normal((len(GROUPS), 2))
        for patch in [index for index, group in enumerate(GROUPS) if group is self.group][:2]:
            patches[patch, 1] += moved(self.skin)
        eyes = NOISE * random.standard_normal((2, 2)) + (0.0, moved(self.eyes))
        head = NOISE * random.standard_normal(2) + (moved(self.head), 0.0)
        return Motion(patches, eyes, head)


def clock(seconds: float, fps: float = 30.0, jitter: float = 0.0, seed: int = 0) -> list[float]:
    """Time stamps of a camera; `jitter` is a share of the interval."""
    random = np.random.default_rng(seed)
    count = int(seconds * fps)
    return list((np.arange(count) + jitter * random.uniform(-0.5, 0.5, count)) / fps)

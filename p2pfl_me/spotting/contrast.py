"""How far a face stands out from how it was k before and how it is k later.

With f(t) the motion from t - k to t, the face at t lies (f(t) - f(t + k)) / 2 away from the middle of its two
neighbours: whole for an expression that rises and falls within 2k, nothing for one that drifts. f(t) + f(t + k) is what
is left of the motion after 2k. Moilanen et al. (ICPR 2014) take the same contrast of appearance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2pfl_me.spotting.motion import GROUPS, Motion
from p2pfl_me.spotting.regions import Group

Values = npt.NDArray[np.float64]

WEIGHTS = np.array((0.25, 0.5, 0.25))
"""Smoothing over neighbouring samples."""
COLUMNS = {group: np.array([each is group for each in GROUPS]) for group in Group}
PATCHES = len(GROUPS)


@dataclass(frozen=True, slots=True)
class Contrast:
    """One sample. `level` and `left` by group, `eyes` and `head` are motions in distances between the eyes.

    `level` is the mean contrast of a group's two strongest patches, `left` the share of its motion that stays.
    """

    index: int
    level: Mapping[Group, float]
    left: Mapping[Group, float]
    eyes: float
    head: float


def flatten(motion: Motion) -> Values:
    """float64 (P + 3, 2): patches, both eyes, head."""
    return np.concatenate((motion.patches, motion.eyes, motion.head[None]))


class Contraster:
    """Turns samples of the motion over k into contrasts, k and one sample later.

    Parameters
    ----------
    distance:
        k in samples.
    """

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._kept: dict[int, Values] = {}

    def push(self, index: int, values: Values) -> Contrast | None:
        """Take the sample float64 (P + 3, 2) of `index`; the contrast of `index` - k - 1, if it can be had."""
        self._kept[index] = values
        for old in [each for each in self._kept if each < index - self._distance - 2]:
            del self._kept[old]
        middle = index - self._distance - 1
        before = [self._kept.get(middle + step) for step in (-1, 0, 1)]
        after = [self._kept.get(middle + step + self._distance) for step in (-1, 0, 1)]
        if any(each is None for each in (*before, *after)):
            return None
        rise = np.tensordot(WEIGHTS, np.stack([each for each in before if each is not None]), axes=1)
        fall = np.tensordot(WEIGHTS, np.stack([each for each in after if each is not None]), axes=1)
        return _contrast(middle, rise, fall)


def _contrast(index: int, rise: Values, fall: Values) -> Contrast:
    apart, left = (rise - fall) / 2, rise + fall
    size = np.linalg.norm(apart, axis=1)
    level, stays = {}, {}
    for group, columns in COLUMNS.items():
        level[group] = float(np.sort(size[:PATCHES][columns])[-2:].mean())
        whole = float(np.linalg.norm(2 * apart[:PATCHES][columns]))
        stays[group] = float(np.linalg.norm(left[:PATCHES][columns])) / max(whole, 1e-12)
    head = max(float(np.linalg.norm(rise[-1])), float(np.linalg.norm(fall[-1])))
    return Contrast(index, level, stays, float(size[PATCHES:-1].mean()), head)

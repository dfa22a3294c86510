"""The numbers of mixing alone: slopes, exact agreement, rounds to a goal, measured and predicted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from p2pfl_me.report.results import Floats
from p2pfl_me.topology.spectral import EPS

ROUNDING = 1e-6
"""Below, float32 rounding is what is left."""
TAIL = 1e-5
"""The slope is taken over the second half of the rounds in which more than this is left."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixing:
    """One set-up that only mixed, after 0, 1, ..., T rounds, all float64 (T + 1,).

    `measured` and `predicted`: the distance to the mean as a share of the first; `megabytes` that a peer had sent.
    `alike`: set-ups that differ from it in training or privacy alone, and so would mix as it does.
    """

    name: str
    measured: Floats = field(repr=False)
    predicted: Floats = field(repr=False)
    megabytes: Floats = field(repr=False)
    alike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slope:
    """The share of the distance that one round leaves, as geometric means over the same rounds."""

    predicted: float
    measured: float

    @property
    def ratio(self) -> float:
        """ln measured / ln predicted: 1 where the measured line is as steep as predicted."""
        return float(np.log(self.measured) / np.log(self.predicted))


def exact_after(course: Floats) -> int | None:
    """The round after which all hold the mean up to rounding, where that comes at once and not little by little."""
    for round in range(1, len(course)):
        if course[round] < ROUNDING:
            return round if course[round - 1] > 100 * ROUNDING else None
    return None


def slope_of(mixing: Mixing) -> Slope | None:
    """None for a graph that is exact after a few rounds: there is no slope."""
    if exact_after(mixing.predicted) is not None:
        return None
    end = int(np.flatnonzero(mixing.predicted > TAIL)[-1])
    begin = end // 2
    if end == begin:
        return None
    shares = [float((each[end] / each[begin]) ** (1 / (end - begin))) for each in (mixing.predicted, mixing.measured)]
    return Slope(*shares)


def reaches(course: Floats) -> int | None:
    """The first round with at most `EPS` left; None if there is none."""
    found = np.flatnonzero(course <= EPS)
    return int(found[0]) if found.size else None

"""Coordinate-wise median (Yin, Chen, Ramchandran, Bartlett, ICML 2018)."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood
from p2pfl_me.aggregation.selection import mixture_of_the_middle


class Median(Aggregation):
    """Value by value over one's own model and the neighbours'; of an even number, the mean of the two in the middle."""

    kind: Literal["median"] = "median"
    robust: ClassVar[bool] = True

    @property
    def least_neighbours(self) -> int:
        return 2

    def combine(self, around: Neighbourhood) -> Mixture:
        return mixture_of_the_middle(around, len(around.models) // 2)

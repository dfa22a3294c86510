"""Coordinate-wise trimmed mean (Yin, Chen, Ramchandran, Bartlett, ICML 2018) of one's own model and the neighbours'."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood
from p2pfl_me.aggregation.selection import mixture_of_the_middle
from p2pfl_me.choice import PositiveInt


class TrimmedMean(Aggregation):
    """Value by value over the n = |N_i| + 1 models, the mean without the `trim` smallest and the `trim` largest.

    All n count alike, whatever W says. With at most `trim` liars around, every value lies between honest ones.
    """

    kind: Literal["trimmed_mean"] = "trimmed_mean"
    robust: ClassVar[bool] = True
    trim: PositiveInt = 1

    @property
    def least_neighbours(self) -> int:
        return 2 * self.trim

    def combine(self, around: Neighbourhood) -> Mixture:
        return mixture_of_the_middle(around, self.trim)

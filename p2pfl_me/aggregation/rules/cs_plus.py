"""CS+ (Gaucher, Dieuleveut, Hendrikx, "Unified breakdown analysis for Byzantine robust gossip", ICML 2025)."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.aggregation.clipping import clipped, nearest_within, weight_of_liars
from p2pfl_me.aggregation.differences import distances
from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood
from p2pfl_me.choice import PositiveInt


class ClippedSum(Aggregation):
    """As clipped gossip, with a radius that f liars cannot push beyond what honest neighbours reach.

    tau is the largest distance such that the models up to it, one's own among them, weigh at most 1 - 2 b together; b
    is the largest weight that f neighbours have.
    """

    kind: Literal["cs_plus"] = "cs_plus"
    robust: ClassVar[bool] = True
    f: PositiveInt = 1

    @property
    def least_neighbours(self) -> int:
        return 2 * self.f + 1

    def combine(self, around: Neighbourhood) -> Mixture:
        far = distances(around)
        within = nearest_within(around, far, 1.0 - 2 * weight_of_liars(around.row, self.f))
        return clipped(around, far, max((far.of[peer] for peer in within), default=0.0))

"""BALANCE (Fang, Zhang, Hairi, Khanduri, Liu, Lu, Liu, Gong, ACM CCS 2024): one's own model judges the others."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from p2pfl_me.aggregation.differences import distances, moved_towards
from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood


class Balance(Aggregation):
    """x_i <- alpha x_i + (1 - alpha) mean of those with ||x_j - x_i|| <= gamma exp(-kappa t / T) ||x_i||, t = 0..T-1.

    Where nobody is that near, the own model stays; taking the nearest in that case, as some code does, would let in
    the one liar that stands there.
    """

    kind: Literal["balance"] = "balance"
    robust: ClassVar[bool] = True
    gamma: Annotated[float, Field(gt=0)] = 0.3
    kappa: Annotated[float, Field(ge=0)] = 1.0
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.5

    @property
    def least_neighbours(self) -> int:
        return 1

    def combine(self, around: Neighbourhood) -> Mixture:
        far = distances(around).relative
        limit = self.gamma * math.exp(-self.kappa * around.round / around.rounds)
        accepted = [peer for peer in around.peers if far[peer] <= limit]
        weights = {peer: (1.0 - self.alpha) / len(accepted) for peer in accepted}
        refused = {peer: f"farther than {limit:.3g} of the own norm" for peer in around.peers if peer not in weights}
        return Mixture(moved_towards(around, weights), far, weights, refused)

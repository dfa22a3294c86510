"""Nearest neighbour averaging (Farhadkhani, Guerraoui, Gupta, Hoang, Pinot, Stephan, ICML 2023)."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.aggregation.differences import distances, moved_towards
from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood
from p2pfl_me.choice import PositiveInt


class NearestNeighbours(Aggregation):
    """The plain mean of one's own model and the |N_i| - f that are nearest to it; the f farthest are left out."""

    kind: Literal["nna"] = "nna"
    robust: ClassVar[bool] = True
    f: PositiveInt = 1

    @property
    def least_neighbours(self) -> int:
        return 2 * self.f

    def combine(self, around: Neighbourhood) -> Mixture:
        far = distances(around)
        kept = sorted(far.nearest_first()[: len(around.models) - self.f])
        weights = dict.fromkeys(kept, 1.0 / (len(kept) + 1))
        refused = {peer: "among the f farthest" for peer in around.peers if peer not in weights}
        return Mixture(moved_towards(around, weights), far.relative, weights, refused)

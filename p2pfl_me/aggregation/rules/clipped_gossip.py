"""ClippedGossip (He, Karimireddy, Jaggi, "Byzantine-robust decentralized learning via ClippedGossip", 2022)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from p2pfl_me.aggregation.clipping import clipped, nearest_within, radius_of, weight_of_liars
from p2pfl_me.aggregation.differences import distances
from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood
from p2pfl_me.choice import PositiveInt


class ClippedGossip(Aggregation):
    """x_i <- x_i + sum_j W_ij Clip(x_j - x_i, radius), with Clip(z, tau) = z min(1, tau / ||z||).

    Without a `radius` it follows from f: tau^2 = 1/b sum_j W_ij ||x_j - x_i||^2 over the models that are left without
    the farthest of weight b, the largest that f neighbours have together. That is the paper's radius with the nearest
    in place of the honest, whom nobody knows. (The authors' own code takes the second largest distance instead.)
    """

    kind: Literal["clipped_gossip"] = "clipped_gossip"
    robust: ClassVar[bool] = True
    f: PositiveInt = 1
    radius: Annotated[float, Field(gt=0)] | None = None

    @property
    def least_neighbours(self) -> int:
        return 1 if self.radius else 2 * self.f

    def combine(self, around: Neighbourhood) -> Mixture:
        far = distances(around)
        if self.radius is not None:
            return clipped(around, far, self.radius)
        liars = weight_of_liars(around.row, self.f)
        return clipped(around, far, radius_of(around, far, nearest_within(around, far, 1.0 - liars), liars))

"""Geometric median by the smoothed Weiszfeld algorithm: RFA (Pillutla, Kakade, Harchaoui, IEEE TSP 2022)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from p2pfl_me.aggregation.differences import gram, moved_towards
from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood


class GeometricMedian(Aggregation):
    """The point z with the smallest sum of distances to one's own model and the neighbours', each counted alike.

    z begins at the mean, as in the authors' code; a step is z <- sum b_j x_j / sum b_j with b_j = 1 / max(smoothing,
    ||z - x_j||). z is always a mean with some weights c, so with the inner products G of the models' differences,
    ||z - x_j||^2 = c'Gc - 2 (Gc)_j + G_jj: steps cost nothing, and the models are read twice in all.
    """

    kind: Literal["geometric_median"] = "geometric_median"
    robust: ClassVar[bool] = True
    iterations: Annotated[int, Field(ge=1, le=1000)] = 32
    smoothing: Annotated[float, Field(gt=0)] = 1e-6

    @property
    def least_neighbours(self) -> int:
        return 2

    def combine(self, around: Neighbourhood) -> Mixture:
        found = gram(around)
        products, count = found.products, len(found.order)
        diagonal, shares = np.diag(products), np.full(count, 1.0 / count)
        for _ in range(self.iterations):
            along = products @ shares
            squares = np.maximum(shares @ along - 2 * along + diagonal, 0.0)
            pulls = 1.0 / np.maximum(np.sqrt(squares), self.smoothing)
            before, shares = shares, pulls / np.add.reduce(pulls)
            if shares.tobytes() == before.tobytes():
                break  # more steps would change nothing
        weights = {peer: float(shares[place]) for place, peer in enumerate(found.order) if place}
        return Mixture(moved_towards(around, weights), found.distances.relative, weights)

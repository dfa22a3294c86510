"""Remove, then clip: after Yang and Ghaderi, "Byzantine-robust decentralized learning via remove-then-clip
aggregation", AAAI 2024."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.aggregation.clipping import SLACK, clipped, radius_of, weight_of_liars
from p2pfl_me.aggregation.differences import distances
from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood
from p2pfl_me.choice import PositiveInt


class RemoveThenClip(Aggregation):
    """The farthest neighbours, of a weight of at most b together, are left out; their weight returns to the peer.

    The others are cut at tau^2 = 1/b sum_j W_ij ||x_j - x_i||^2 over themselves; b is the largest weight that f
    neighbours have. Two re-implementations of the paper that we have read disagree about its constants; these are the
    ones that the derivation of ClippedGossip gives.
    """

    kind: Literal["remove_then_clip"] = "remove_then_clip"
    robust: ClassVar[bool] = True
    f: PositiveInt = 1

    @property
    def least_neighbours(self) -> int:
        return 2 * self.f

    def combine(self, around: Neighbourhood) -> Mixture:
        far = distances(around)
        liars = weight_of_liars(around.row, self.f)
        removed: dict[int, str] = {}
        weight = 0.0
        for peer in reversed(far.nearest_first()):
            weight += around.row[peer]
            if weight > liars + SLACK:
                break
            removed[peer] = "among the f farthest"
        kept = [peer for peer in around.peers if peer not in removed]
        return clipped(around, far, radius_of(around, far, kept, liars), removed)

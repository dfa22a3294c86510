"""Steps towards the neighbours that are cut at a radius, and the radii of the rules that do so.

b stands for the largest weight that f of the neighbours have together. One's own model counts among the models, at
distance 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from p2pfl_me.aggregation.differences import Distances, moved_towards
from p2pfl_me.aggregation.rule import NOBODY, Mixture, Neighbourhood

SLACK = 1e-9
"""Sums of weights such as 1/3 that ought to be equal are so to this."""


def weight_of_liars(row: Mapping[int, float], f: int) -> float:
    """b."""
    return math.fsum(sorted(row.values(), reverse=True)[:f])


def nearest_within(around: Neighbourhood, far: Distances, weight: float) -> list[int]:
    """The nearest neighbours that weigh at most `weight` together with one's own model."""
    kept: list[int] = []
    total = 1.0 - math.fsum(around.row[peer] for peer in around.peers)
    for peer in far.nearest_first():
        total += around.row[peer]
        if total > weight + SLACK:
            break
        kept.append(peer)
    return kept


def radius_of(around: Neighbourhood, far: Distances, kept: Iterable[int], liars: float) -> float:
    """sqrt(1/b sum_j W_ij ||x_j - x_i||^2) over those who are `kept`."""
    return math.sqrt(math.fsum(around.row[peer] * far.of[peer] ** 2 for peer in kept) / liars)


def clipped(around: Neighbourhood, far: Distances, radius: float, removed: Mapping[int, str] = NOBODY) -> Mixture:
    """x_i + sum_j W_ij Clip(x_j - x_i, radius) over all that were not `removed`."""
    shares = {
        peer: around.row[peer] * (1.0 if far.of[peer] <= radius else radius / far.of[peer])
        for peer in around.peers
        if peer not in removed
    }
    weights = {peer: share for peer, share in shares.items() if share}
    cut = dict.fromkeys(shares.keys() - weights.keys(), "the radius of clipping is 0")
    return Mixture(moved_towards(around, weights), far.relative, weights, dict(sorted({**removed, **cut}.items())))

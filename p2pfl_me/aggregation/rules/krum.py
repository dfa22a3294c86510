"""Krum and Multi-Krum (Blanchard, El Mhamdi, Guerraoui, Stainer, NeurIPS 2017) over a peer's neighbourhood."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from p2pfl_me.aggregation.differences import gram, weighted_sum
from p2pfl_me.aggregation.rule import Aggregation, Mixture, Neighbourhood
from p2pfl_me.choice import PositiveInt


class Krum(Aggregation):
    """The one model with the best score.

    Of n = |N_i| + 1 models, a model's score is the sum of its squared distances to the n - f - 2 nearest others, as in
    the paper (some published code takes n - f - 1, or distances that are not squared). One's own model is one of the
    n and has no privilege: a peer may well drop what it has learned itself, which is what the rule costs on uneven
    data. Of equal scores the first counts, one's own before the neighbours, these in the order of ids.
    """

    kind: Literal["krum"] = "krum"
    robust: ClassVar[bool] = True
    f: PositiveInt = 1

    @property
    def least_neighbours(self) -> int:
        return 2 * self.f + 2

    def combine(self, around: Neighbourhood) -> Mixture:
        return best_by_score(around, self.f, 1)


class MultiKrum(Aggregation):
    """The mean of the `keep` models with the best of Krum's scores; all but f where it is left out."""

    kind: Literal["multi_krum"] = "multi_krum"
    robust: ClassVar[bool] = True
    f: PositiveInt = 1
    keep: PositiveInt | None = None

    @property
    def least_neighbours(self) -> int:
        return max(2 * self.f + 2, (self.keep or 1) - 1)

    def combine(self, around: Neighbourhood) -> Mixture:
        return best_by_score(around, self.f, self.keep or len(around.models) + 1 - self.f)


def best_by_score(around: Neighbourhood, f: int, keep: int) -> Mixture:
    """The mean of the `keep` best."""
    found = gram(around)
    count = len(found.order)
    between = np.sort(found.squares_between(), axis=1)
    scores = between[:, 1 : count - f - 1].sum(axis=1)  # the first of each row is the distance to itself
    best = {found.order[place] for place in np.argsort(scores, kind="stable")[:keep]}
    everyone = {**around.models, around.me: around.own}
    params = weighted_sum([(1.0 / keep, everyone[peer]) for peer in sorted(best)], around.own.size)
    weights = {peer: 1.0 / keep for peer in around.peers if peer in best}
    refused = {peer: "others lie closer together" for peer in around.peers if peer not in best}
    return Mixture(params, found.distances.relative, weights, refused)

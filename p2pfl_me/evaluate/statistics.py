"""Pooled scores, subject bootstrap intervals and the paired test. Subjects are what was drawn; clips of one are alike.

All take confusion counts by model and subject, int64 (n, S, K, K), one array a seed. A statistic is the mean over seeds
of the mean over models of the score of the counts summed over subjects: predictions are pooled once, scores of folds
are never averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2pfl_me.learning.metrics import Counts, Scores

DRAWS = 4000
EXACT_UP_TO = 12
"""Subjects whose 2^S patterns are all counted."""
SHARE = 0.95

Score = Callable[[npt.NDArray[np.float64]], Scores]


def uf1(counts: npt.NDArray[np.float64]) -> Scores:
    """Mean over classes of 2TP / (2TP + FP + FN): (..., K, K) -> (...); a class with nothing to divide counts 0."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return _mean_ratio(2 * hits, counts.sum(axis=-1) + counts.sum(axis=-2))


def uar(counts: npt.NDArray[np.float64]) -> Scores:
    """Mean over classes of TP / n_c: (..., K, K) -> (...)."""
    return _mean_ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def accuracy(counts: npt.NDArray[np.float64]) -> Scores:
    """Share of right answers: (..., K, K) -> (...)."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1).sum(axis=-1, keepdims=True)
    return _mean_ratio(hits, counts.sum(axis=(-2, -1))[..., None])


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % percentile interval over draws of subjects."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """First minus second: the statistic, its paired bootstrap interval, two-sided p of the paired permutation test.

    `exact` says that all 2^S patterns were counted.
    """

    mean: float
    interval: Interval
    p: float
    exact: bool


def by_model(counts: Counts, score: Score = uf1) -> Scores:
    """Each model's score over all subjects, float64 (n,)."""
    return score(counts.sum(axis=1).astype(np.float64))


def statistic(seeds: Sequence[Counts], score: Score = uf1) -> float:
    """The mean over seeds and models."""
    return float(np.mean([by_model(counts, score).mean() for counts in seeds]))


def interval(seeds: Sequence[Counts], score: Score = uf1, draws: int = DRAWS) -> Interval:
    """Subjects drawn with replacement, the same in every seed and model (Efron 1979, percentile method)."""
    weights = _draws(seeds[0].shape[1], draws)
    return _percentiles(_weighted(seeds, weights, score))


def difference(first: Sequence[Counts], second: Sequence[Counts], score: Score = uf1, draws: int = DRAWS) -> Difference:
    """Whether two arms differ by more than the luck of who was filmed.

    Under the null hypothesis a subject's answers could as well have come from the other arm. So they are swapped, in
    all seeds and models together, and the difference is computed anew: a paired permutation test (Fisher 1935) for a
    score that is no sum. An arm of one model is set beside every model of the other; where a model was not asked about
    a subject, neither side counts.
    """
    pairs = [_aligned(a, b) for a, b in zip(first, second, strict=True)]
    ones, others = [a for a, _ in pairs], [b for _, b in pairs]
    observed = statistic(ones, score) - statistic(others, score)
    subjects = ones[0].shape[1]
    weights = _draws(subjects, draws)
    spread = _percentiles(_weighted(ones, weights, score) - _weighted(others, weights, score))
    exact = subjects <= EXACT_UP_TO
    swaps = _patterns(subjects) if exact else np.random.default_rng(1).integers(0, 2, (draws, subjects))
    extreme = np.abs(_swapped(ones, others, swaps.astype(np.float64), score)) >= abs(observed) - 1e-12
    p = float(extreme.mean()) if exact else float((1 + extreme.sum()) / (1 + draws))
    return Difference(observed, spread, p, exact)


def _aligned(first: Counts, second: Counts) -> tuple[Counts, Counts]:
    shape = np.broadcast_shapes(first.shape, second.shape)
    first, second = np.broadcast_to(first, shape), np.broadcast_to(second, shape)
    asked = (first.sum(axis=(2, 3)) > 0) & (second.sum(axis=(2, 3)) > 0)
    return first * asked[:, :, None, None], second * asked[:, :, None, None]


def _draws(subjects: int, draws: int) -> npt.NDArray[np.float64]:
    """How often each subject is drawn, float64 (draws, S), rows sum to S; a fixed stream, so that pages repeat."""
    return np.random.default_rng(0).multinomial(subjects, [1 / subjects] * subjects, draws).astype(np.float64)


def _weighted(seeds: Sequence[Counts], weights: npt.NDArray[np.float64], score: Score) -> Scores:
    total = np.zeros(len(weights))
    for counts in seeds:
        for model in counts:
            total += score(_summed(weights, model)) / (len(counts) * len(seeds))
    return total


def _swapped(first: Sequence[Counts], second: Sequence[Counts], swaps: npt.NDArray[np.float64], score: Score) -> Scores:
    total = np.zeros(len(swaps))
    for a, b in zip(first, second, strict=True):
        for one, other in zip(a, b, strict=True):
            moved = _summed(swaps, other - one)
            gap = score(one.sum(axis=0) + moved) - score(other.sum(axis=0) - moved)
            total += gap / (len(a) * len(first))
    return total


def _summed(weights: npt.NDArray[np.float64], model: Counts) -> npt.NDArray[np.float64]:
    """(D, S) and (S, K, K) -> (D, K, K)."""
    flat = weights @ model.reshape(len(model), -1).astype(np.float64)
    return flat.reshape(len(weights), *model.shape[1:])


def _patterns(subjects: int) -> npt.NDArray[np.int64]:
    return (np.arange(2**subjects)[:, None] >> np.arange(subjects)) & 1


def _percentiles(values: Scores) -> Interval:
    low, high = np.quantile(values, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return Interval(float(low), float(high))


def _mean_ratio(above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]) -> Scores:
    above, below = np.broadcast_arrays(np.asarray(above, dtype=np.float64), below)
    out: Scores = np.divide(above, below, out=np.zeros(below.shape), where=below > 0).mean(axis=-1)
    return out

"""Pooled scores, subject bootstrap intervals and the paired test. Subjects are what was drawn; clips of one are alike.

All take confusion counts by model and subject, int64 (n, S, K, K), one array a seed. A statistic is the mean over seeds
of the mean over models of the score of the counts summed over subjects: predictions are pooled once, scores of folds
are never averaged. Evaluations, comparisons and the pages of runs all take their intervals from here.

A model that was asked about nothing has no score, and none is 0: it stands as NaN among the models' scores and enters
no mean. So does a seed in which nobody was asked, and a draw of subjects about whom nobody was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from p2pfl_me.learning.metrics import Counts, Scores, present_mean, uf1

DRAWS = 4000
EXACT_UP_TO = 12
"""Subjects whose 2^S patterns are all counted."""
SHARE = 0.95

Floats = npt.NDArray[np.float64]
Score = Callable[[Floats], Scores]
"""From confusions (..., K, K) to scores (...), or to scores by class (..., K)."""


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
    """Each model's score over all subjects, float64 (n,) or, by class, (n, K); NaN for one that was asked nothing."""
    return _score(counts.sum(axis=1).astype(np.float64), score)


def statistic(seeds: Sequence[Counts], score: Score = uf1) -> float | None:
    """The mean over seeds and models; None where nobody was asked."""
    return known(present_mean(present_mean(by_model(counts, score)) for counts in seeds))


def known(value: npt.ArrayLike) -> float | None:
    """The number, or None for NaN."""
    number = float(np.asarray(value))
    return number if np.isfinite(number) else None


def mean_counts(seeds: Sequence[Counts]) -> Floats:
    """The confusion of the mean model under the mean seed, float64 (K, K).

    Each subject's part is the mean over the models that were asked about it, so that all held-out items are in it.
    """
    parts = []
    for counts in seeds:
        asked = counts.sum(axis=(2, 3), keepdims=True) > 0
        parts.append(present_mean(np.where(asked, counts, np.nan)))
    return np.asarray(np.nansum(present_mean(parts), axis=0), dtype=np.float64)


def interval(seeds: Sequence[Counts], score: Score = uf1, draws: int = DRAWS) -> Interval | None:
    """Subjects drawn with replacement, the same in every seed and model (Efron 1979, percentile method).

    None where nobody was asked, or about one subject alone: what others would have shown cannot be drawn from one.
    """
    if _subjects(seeds) < 2:
        return None
    weights = _draws(seeds[0].shape[1], draws)
    return _percentiles(_weighted(seeds, weights, score))


def difference(
    first: Sequence[Counts], second: Sequence[Counts], score: Score = uf1, draws: int = DRAWS
) -> Difference | None:
    """Whether two arms differ by more than the luck of who was filmed.

    Under the null hypothesis a subject's answers could as well have come from the other arm. So they are swapped, in
    all seeds and models together, and the difference is computed anew: a paired permutation test (Fisher 1935) for a
    score that is no sum. An arm of one model is set beside every model of the other; where a model was not asked about
    a subject, neither side counts; None where that leaves nothing to compare, or one subject alone.
    """
    pairs = [_aligned(a, b) for a, b in zip(first, second, strict=True)]
    ones, others = [a for a, _ in pairs], [b for _, b in pairs]
    left, right = statistic(ones, score), statistic(others, score)
    subjects = ones[0].shape[1]
    weights = _draws(subjects, draws)
    spread = _percentiles(_weighted(ones, weights, score) - _weighted(others, weights, score))
    if left is None or right is None or spread is None or _subjects(ones) < 2:
        return None
    observed = left - right
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


def _subjects(seeds: Sequence[Counts]) -> int:
    """About how many of them anybody was asked."""
    return int(np.any([counts.sum(axis=(0, 2, 3)) > 0 for counts in seeds], axis=0).sum())


@lru_cache(maxsize=16)
def _draws(subjects: int, draws: int) -> Floats:
    """How often each subject is drawn, float64 (draws, S), rows sum to S; a fixed stream, so that pages repeat."""
    found = np.random.default_rng(0).multinomial(subjects, [1 / subjects] * subjects, draws).astype(np.float64)
    found.setflags(write=False)  # all tables of a page share it
    return found


def _weighted(seeds: Sequence[Counts], weights: Floats, score: Score) -> Scores:
    return present_mean(present_mean(_score(_summed(weights, model), score) for model in counts) for counts in seeds)


def _swapped(first: Sequence[Counts], second: Sequence[Counts], swaps: Floats, score: Score) -> Scores:
    return present_mean(
        present_mean(_gap(one, other, swaps, score) for one, other in zip(a, b, strict=True))
        for a, b in zip(first, second, strict=True)
    )


def _gap(one: Counts, other: Counts, swaps: Floats, score: Score) -> Scores:
    moved = _summed(swaps, other - one)
    return _score(one.sum(axis=0) + moved, score) - _score(other.sum(axis=0) - moved, score)


def _score(counts: Floats, score: Score) -> Scores:
    """The score of each matrix, NaN of those without any answer."""
    found = score(counts)
    empty = counts.sum(axis=(-2, -1)) == 0
    return np.where(empty if found.ndim == empty.ndim else empty[..., None], np.nan, found)


def _summed(weights: Floats, model: Counts) -> Floats:
    """(D, S) and (S, K, K) -> (D, K, K)."""
    flat = weights @ model.reshape(len(model), -1).astype(np.float64)
    return flat.reshape(len(weights), *model.shape[1:])


def _patterns(subjects: int) -> npt.NDArray[np.int64]:
    return (np.arange(2**subjects)[:, None] >> np.arange(subjects)) & 1


def _percentiles(values: Scores) -> Interval | None:
    there = values[np.isfinite(values)]
    if not there.size:
        return None
    low, high = np.quantile(there, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return Interval(float(low), float(high))

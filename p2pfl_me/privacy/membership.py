"""What scores of members and others say of membership: pure statistics of attacks, from numbers alone.

A game puts each unit (a clip, a subject) in or out by the toss of a coin; an attacker gives each a score, the higher
the more it looks as if it had been in. Many games make the likelihood ratio of LiRA, one is enough to bound epsilon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom, norm, rankdata

Scores = npt.NDArray[np.float64]
Inside = npt.NDArray[np.bool_]
SPREAD = 0.05
"""The least deviation that is believed of a few scores."""


@dataclass(frozen=True, slots=True)
class Attack:
    """How well scores tell members from others: area under the ROC curve, .5 is chance; the largest true minus false
    positive rate, above 0 by luck (`lucky_advantage`); the true positive rate where at most a
    tenth of the others is accused."""

    auc: float
    advantage: float
    at_a_tenth: float


def attack_of(scores: Scores, inside: Inside) -> Attack:
    """Of all scores together, whatever their shape; each with whether its unit was in."""
    flat, truth = scores.ravel(), inside.ravel()
    ins, outs = int(truth.sum()), int((~truth).sum())
    if not ins or not outs:
        return Attack(0.5, 0.0, 0.0)
    bars = np.unique(flat)
    caught = 1 - np.searchsorted(np.sort(flat[truth]), bars) / ins
    accused = 1 - np.searchsorted(np.sort(flat[~truth]), bars) / outs
    quiet = caught[accused <= 0.1]
    return Attack(_area(scores, inside), float(max(0.0, (caught - accused).max())), float(quiet.max(initial=0.0)))


def _area(scores: Scores, inside: Inside) -> float:
    """Under the ROC curve, of all scores together; .5 where nothing was in, or nothing out."""
    flat, truth = scores.ravel(), inside.ravel()
    ins, outs = int(truth.sum()), int((~truth).sum())
    if not ins or not outs:
        return 0.5
    return float((rankdata(flat)[truth].sum() - ins * (ins + 1) / 2) / (ins * outs))


def auc_interval(scores: Scores, inside: Inside, seed: int, draws: int = 400) -> tuple[float, float]:
    """What 95 % of draws of the units lie between, the games being those that were played: the AUC of scores
    (games, units)."""
    random, units = np.random.default_rng(seed), scores.shape[1]
    drawn = (random.integers(0, units, units) for _ in range(draws))
    low, high = np.quantile([_area(scores[:, each], inside[:, each]) for each in drawn], (0.025, 0.975))
    return float(low), float(high)


def lucky_advantage(scores: Scores, inside: Inside, seed: int, draws: int = 100) -> float:
    """LiRA's advantage that 95 % of draws stay below in which who was in is drawn anew, so that scores (games, units)
    tell nothing: the best of all thresholds lies above 0 by luck alone."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        other = random.permuted(inside, axis=1)
        found.append(attack_of(likelihood_ratios(scores, other), other).advantage)
    return float(np.quantile(found, 0.95))


def likelihood_ratios(scores: Scores, inside: Inside) -> Scores:
    """LiRA (Carlini et al., S&P 2022) of each score (games, units) by the scores that the other games gave the unit.

    Of the Gaussians of a unit's scores when it was in and when it was out, deviations are taken over all units, as the
    paper does for few shadow models. A unit that was never in, or never out, gets 0: nothing is known of it.
    """
    games = len(scores)
    ratios = np.zeros_like(scores)
    for game in range(games):
        others = np.arange(games) != game
        s, i = scores[others], inside[others]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_in, mean_out = (np.where(each, s, 0).sum(0) / each.sum(0) for each in (i, ~i))
            spread_in = np.sqrt(np.nanmean(np.where(i, (s - mean_in) ** 2, np.nan)))
            spread_out = np.sqrt(np.nanmean(np.where(~i, (s - mean_out) ** 2, np.nan)))
            found = norm.logpdf(scores[game], mean_in, max(spread_in, SPREAD))
            found -= norm.logpdf(scores[game], mean_out, max(spread_out, SPREAD))
        ratios[game] = np.where(np.isfinite(found), found, 0.0)
    return ratios


def epsilon_bound(scores: Scores, inside: Inside, delta: float, confidence: float = 0.95) -> float:
    """What epsilon is at least, by one game (Steinke, Nasr and Jagielski, NeurIPS 2023, theorem 5.2).

    Of the scores (units,) the highest quarter are guessed in and the lowest quarter out. 0 where nothing follows.
    """
    order, units = np.argsort(scores), len(scores)
    part = units // 4
    if not part:
        return 0.0
    right = int((~inside[order[:part]]).sum() + inside[order[-part:]].sum())
    low, high = 0.0, 20.0
    if _chance(units, 2 * part, right, 0.0, delta) >= 1 - confidence:
        return 0.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if _chance(units, 2 * part, right, middle, delta) < 1 - confidence else (low, middle)
    return low


def _chance(units: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """At most the chance of so many right guesses under (epsilon, delta)."""
    rate = 1 / (1 + np.exp(-epsilon))
    beyond = float(binom.sf(right - 1, guesses, rate))
    below = np.cumsum(binom.pmf(right - np.arange(1, right + 1), guesses, rate))
    worst = float(np.max(below / np.arange(1, right + 1), initial=0.0))
    return min(1.0, beyond + worst * delta * 2 * units)

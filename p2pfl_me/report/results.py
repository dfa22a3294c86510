"""From a run to its numbers: score curves, final scores, per-class tables, and their summary over seeds.

Pure functions on values of `run`; no files, no drawing. A peer's final score is that of the last round it
reached: picking its best round would be a choice made on the test clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2pfl_me.learning.metrics import commonest, present_mean, uf1
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.events import Counts
from p2pfl_me.report.run import Curve, Run

Floats = npt.NDArray[np.float64]
METRICS = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}


def part_of(run: Run) -> str | None:
    """The clips that scores are on: "test" where any peer has them, else "validation", else None."""
    for part in ("test", "validation"):
        if any(each.scores(part) for log in run.peers for each in log.rounds):
            return part
    return None


@dataclass(frozen=True, slots=True, eq=False)
class PeerCurves:
    """A quantity by round and peer. `values` has shape (rounds, peers), NaN where a peer has none."""

    rounds: tuple[int, ...]
    peers: tuple[int, ...]
    values: Floats

    def final(self) -> dict[int, float]:
        """Each peer's value at the last round where it has one."""
        found = {}
        for column, peer in enumerate(self.peers):
            known = self.values[np.isfinite(self.values[:, column]), column]
            if known.size:
                found[peer] = float(known[-1])
        return found

    def mean(self) -> Floats:
        """Mean over the peers present, shape (rounds,), NaN in a round without any."""
        return present_mean(self.values.T) if self.peers else np.full(len(self.rounds), np.nan)


def score_curves(run: Run, metric: str) -> PeerCurves:
    """A metric ("uf1", "uar", "accuracy", ...) of every peer's own model after every round, or "loss" in training."""
    part = part_of(run)
    cells: dict[tuple[int, int], float] = {}
    for log in run.peers:
        for each in log.rounds:
            scores = each.scores(part) if part else None
            value = each.loss if metric == "loss" else scores.get(metric) if scores else None
            if value is not None:
                cells[each.round, log.peer] = value
    return _curves(cells)


def isolated_curves(run: Run, metric: str) -> PeerCurves:
    """The same for peers that trained alone."""
    return _curves(
        {
            (index, peer): value
            for peer, curve in run.baselines.isolated.items()
            for index, scores in curve
            if (value := scores.get(metric)) is not None
        }
    )


def _curves(cells: Mapping[tuple[int, int], float]) -> PeerCurves:
    rounds = tuple(sorted({index for index, _ in cells}))
    peers = tuple(sorted({peer for _, peer in cells}))
    values = np.full((len(rounds), len(peers)), np.nan)
    for (index, peer), value in cells.items():
        values[rounds.index(index), peers.index(peer)] = value
    return PeerCurves(rounds, peers, values)


def curve_points(curve: Curve, metric: str) -> tuple[tuple[int, float], ...]:
    """(round, value) pairs of a baseline without peers."""
    return tuple((index, value) for index, scores in curve if (value := scores.get(metric)) is not None)


def final_scores(run: Run, arm: Arm, metric: str) -> dict[int, float]:
    """Final scores by peer; an arm with a single model stands under -1. Empty where the arm was not run."""
    if arm is Arm.GOSSIP:
        return score_curves(run, metric).final()
    if arm is Arm.ISOLATED:
        return isolated_curves(run, metric).final()
    if arm is Arm.AVERAGE:
        value = run.average.get(metric) if run.average else None
        return {} if value is None else {-1: value}
    curve = run.baselines.fedavg if arm is Arm.FEDAVG else run.baselines.pooled
    points = curve_points(curve, metric)
    return {-1: points[-1][1]} if points else {}


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation over seeds; `std` is None with one seed."""

    mean: float
    std: float | None
    seeds: int


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and spread of one number a run; None for no runs."""
    if not values:
        return None
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), std, len(values))


def over_seeds(runs: Sequence[Run], arm: Arm, metric: str) -> Spread | None:
    """The arm's mean over its peers, then mean and spread over runs."""
    return spread([float(np.mean(list(final.values()))) for run in runs if (final := final_scores(run, arm, metric))])


def extremes(runs: Sequence[Run], arm: Arm, metric: str) -> tuple[Spread, Spread] | None:
    """The worst and the best peer, each over runs; None for an arm without peers."""
    finals = [list(final.values()) for run in runs if len(final := final_scores(run, arm, metric)) > 1]
    worst, best = spread([min(final) for final in finals]), spread([max(final) for final in finals])
    return (worst, best) if worst and best else None


def mean_confusion(run: Run) -> Floats | None:
    """The confusion matrix of the mean peer: counts averaged over the peers' final models, shape (K, K)."""
    part = part_of(run)
    matrices = []
    for log in run.peers:
        scored = [scores for each in log.rounds if part and (scores := each.scores(part))]
        if scored and scored[-1].confusion is not None:
            matrices.append(scored[-1].confusion)
    if not matrices or len({matrix.shape for matrix in matrices}) > 1:
        return None
    return present_mean(matrices)


def final_confusions(run: Run) -> dict[int, Counts]:
    """Each peer's confusion matrix at its last scored round."""
    part = part_of(run)
    found: dict[int, Counts] = {}
    for log in run.peers:
        for each in log.rounds:
            scores = each.scores(part) if part else None
            if scores and scores.confusion is not None:
                found[log.peer] = scores.confusion
    return found


def chance_uf1(runs: Sequence[Run]) -> float | None:
    """UF1 of always naming the most frequent class of the test clips, the mean over the runs that have any."""
    supports = [matrix.sum(axis=1) for run in runs if (matrix := mean_confusion(run)) is not None and matrix.any()]
    return float(np.mean([uf1(commonest(support)) for support in supports])) if supports else None


def clip_interval(confusion: Counts, draws: int = 2000) -> tuple[float, float] | None:
    """95 % bootstrap interval of UF1 over clips, (low, high); None without clips.

    Clips of one subject resemble each other, so the interval over subjects would be wider; a confusion matrix
    does not know the subjects. The stream is fixed: the same matrix gives the same interval.
    """
    matrix = np.asarray(confusion, dtype=np.int64)
    size, total = len(matrix), int(matrix.sum())
    if not total:
        return None
    draw = np.random.default_rng(0).multinomial(total, matrix.ravel() / total, size=draws)
    low, high = np.quantile(uf1(draw.reshape(draws, size, size)), [0.025, 0.975])
    return float(low), float(high)


def average_interval(run: Run) -> tuple[float, float] | None:
    """That of the average model; None where it was not scored."""
    if run.average is None or run.average.confusion is None:
        return None
    return clip_interval(run.average.confusion)

"""Every rule once more, as short and slow as its paper's formula: float64, one whole matrix, numpy's own sorts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from p2pfl_me.aggregation import Aggregation, Neighbourhood
from p2pfl_me.aggregation.rules.balance import Balance
from p2pfl_me.aggregation.rules.clipped_gossip import ClippedGossip
from p2pfl_me.aggregation.rules.cs_plus import ClippedSum
from p2pfl_me.aggregation.rules.geometric_median import GeometricMedian
from p2pfl_me.aggregation.rules.krum import Krum, MultiKrum
from p2pfl_me.aggregation.rules.mean import Mean
from p2pfl_me.aggregation.rules.median import Median
from p2pfl_me.aggregation.rules.nna import NearestNeighbours
from p2pfl_me.aggregation.rules.remove_then_clip import RemoveThenClip
from p2pfl_me.aggregation.rules.trimmed_mean import TrimmedMean

Matrix = npt.NDArray[np.float64]


class Table:
    """A neighbourhood as columns: row 0 is one's own model, `w` the weights, `d` the distances from row 0."""

    def __init__(self, around: Neighbourhood) -> None:
        self.around = around
        self.x: Matrix = np.stack([around.own, *(around.models[peer] for peer in around.peers)]).astype(np.float64)
        given = [around.row[peer] for peer in around.peers]
        self.w = np.array([1 - sum(given), *given])
        self.d = np.linalg.norm(self.x - self.x[0], axis=1)

    def nearest(self, weight: float) -> list[int]:
        """Rows in the order of distance, as long as they weigh at most `weight` together."""
        order = np.argsort(self.d, kind="stable")
        return [int(row) for row, total in zip(order, np.cumsum(self.w[order]), strict=True) if total <= weight + 1e-9]

    def liars(self, f: int) -> float:
        return float(np.sort(self.w[1:])[::-1][:f].sum())

    def clipped(self, radius: float, rows: list[int]) -> Matrix:
        new = self.x[0].copy()
        for row in rows:
            step = self.x[row] - self.x[0]
            new += self.w[row] * step * min(1.0, radius / max(self.d[row], 1e-300))
        return new


def mean(rule: Mean, t: Table) -> Matrix:
    return np.asarray(t.w @ t.x)


def trimmed_mean(rule: TrimmedMean, t: Table) -> Matrix:
    return np.asarray(np.sort(t.x, axis=0)[rule.trim : len(t.x) - rule.trim].mean(axis=0))


def median(rule: Median, t: Table) -> Matrix:
    return np.asarray(np.median(t.x, axis=0))


def krum(rule: Krum | MultiKrum, t: Table) -> Matrix:
    n = len(t.x)
    squares = ((t.x[:, None] - t.x[None]) ** 2).sum(axis=2)
    scores = [np.sort(np.delete(squares[row], row))[: n - rule.f - 2].sum() for row in range(n)]
    keep = 1 if isinstance(rule, Krum) else rule.keep or n - rule.f
    return np.asarray(t.x[np.argsort(scores, kind="stable")[:keep]].mean(axis=0))


multi_krum = krum


def geometric_median(rule: GeometricMedian, t: Table) -> Matrix:
    z = t.x.mean(axis=0)
    for _ in range(rule.iterations):
        pulls = 1 / np.maximum(np.linalg.norm(t.x - z, axis=1), rule.smoothing)
        z = pulls @ t.x / pulls.sum()
    return np.asarray(z)


def clipped_gossip(rule: ClippedGossip, t: Table) -> Matrix:
    b = t.liars(rule.f)
    kept = t.nearest(1 - b)
    radius = rule.radius or float(np.sqrt((t.w[kept] * t.d[kept] ** 2).sum() / b))
    return t.clipped(radius, list(range(1, len(t.x))))


def cs_plus(rule: ClippedSum, t: Table) -> Matrix:
    kept = t.nearest(1 - 2 * t.liars(rule.f))
    return t.clipped(float(max(t.d[kept], default=0.0)), list(range(1, len(t.x))))


def remove_then_clip(rule: RemoveThenClip, t: Table) -> Matrix:
    b = t.liars(rule.f)
    order = [int(row) for row in np.argsort(t.d, kind="stable") if row]
    removed: list[int] = []
    while order and sum(t.w[removed]) + t.w[order[-1]] <= b + 1e-9:
        removed.append(order.pop())
    radius = float(np.sqrt((t.w[order] * t.d[order] ** 2).sum() / b))
    return t.clipped(radius, order)


def nna(rule: NearestNeighbours, t: Table) -> Matrix:
    return np.asarray(t.x[np.argsort(t.d, kind="stable")[: len(t.x) - rule.f]].mean(axis=0))


def balance(rule: Balance, t: Table) -> Matrix:
    limit = rule.gamma * np.exp(-rule.kappa * t.around.round / t.around.rounds) * np.linalg.norm(t.x[0])
    near = [row for row in range(1, len(t.x)) if t.d[row] <= limit]
    return np.asarray(rule.alpha * t.x[0] + (1 - rule.alpha) * t.x[near].mean(axis=0)) if near else t.x[0]


def expected(rule: Aggregation, around: Neighbourhood) -> Matrix:
    """What the formula says that bears the rule's name here, float64 (P,)."""
    formula: Callable[..., Matrix] = globals()[rule.kind]
    return formula(rule, Table(around))

"""Scores of a confusion matrix over all classes of the label map, absent ones included. numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.run import events as run

Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


def confusion_matrix(true: npt.ArrayLike, predicted: npt.ArrayLike, classes: int) -> Counts:
    """Counts, int64 (K, K): rows are the true classes, columns the predicted ones."""
    pairs = np.asarray(true, dtype=np.int64) * classes + np.asarray(predicted, dtype=np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True, eq=False)
class People:
    """Whom each clip of a part shows: `of` int64 (c,), by the clip's number, points into `datasets`.

    That holds the data set of every person, (S,): in the order of names, all of one data set in a row.
    """

    datasets: tuple[str, ...]
    of: npt.NDArray[np.int64] = field(repr=False)

    def counts(self, clips: Counts, true: Counts, named: Counts, classes: int) -> dict[str, Counts]:
        """Each person's confusion by data set, int64 (S, K, K), of `clips` (c,) of classes `true` that were `named`."""
        pairs = (self.of[clips] * classes + true) * classes + named
        found = np.bincount(pairs, minlength=len(self.datasets) * classes**2)
        return self.by_dataset(found.reshape(-1, classes, classes))

    def by_dataset(self, counts: Counts) -> dict[str, Counts]:
        """Counts of all people, (S, K, K), parted by data set; without those of whose people no clip was asked."""
        names = dict.fromkeys(self.datasets)
        ends = np.searchsorted(np.array(self.datasets), list(names), side="right")
        parts = zip(names, np.split(counts, ends[:-1]), strict=True)
        return {name: part for name, part in parts if part.any()}


def people(shown: Sequence[tuple[str, str]]) -> People:
    """Of clips in their order: (data set, person)."""
    everybody = sorted(set(shown))
    place = {person: number for number, person in enumerate(everybody)}
    return People(tuple(name for name, _ in everybody), np.array([place[each] for each in shown], dtype=np.int64))


def precision(confusion: npt.ArrayLike) -> Scores:
    """TP / (TP + FP) of every class: (..., K, K) -> (..., K), rows of a matrix are the true classes.

    As in all scores here, a quotient with nothing below the line counts as 0, as in scikit-learn.
    """
    counts = np.asarray(confusion)
    return _ratio(_hits(counts), counts.sum(axis=-2))


def recall(confusion: npt.ArrayLike) -> Scores:
    """TP / n_c of every class: (..., K, K) -> (..., K)."""
    counts = np.asarray(confusion)
    return _ratio(_hits(counts), counts.sum(axis=-1))


def f1(confusion: npt.ArrayLike) -> Scores:
    """2TP / (2TP + FP + FN) of every class: (..., K, K) -> (..., K)."""
    counts = np.asarray(confusion)
    return _ratio(2 * _hits(counts), counts.sum(axis=-1) + counts.sum(axis=-2))


def uf1(confusion: npt.ArrayLike) -> Scores:
    """The unweighted mean over classes of F1 (See et al., FG 2019): (..., K, K) -> (...)."""
    out: Scores = f1(confusion).mean(axis=-1)
    return out


def uar(confusion: npt.ArrayLike) -> Scores:
    """The unweighted mean over classes of the recall (See et al., FG 2019): (..., K, K) -> (...)."""
    out: Scores = recall(confusion).mean(axis=-1)
    return out


def accuracy(confusion: npt.ArrayLike) -> Scores:
    """The share of right answers: (..., K, K) -> (...)."""
    counts = np.asarray(confusion)
    return _ratio(_hits(counts).sum(axis=-1), counts.sum(axis=(-2, -1)))


def present_mean(values: Iterable[npt.ArrayLike]) -> Scores:
    """The mean of arrays of one shape, cell by cell over those that are not NaN; NaN where all are.

    Whoever was not asked is NaN: a mean of models, folds, seeds or rounds counts only those that were.
    """
    total, count = np.zeros(()), np.zeros(())
    for value in values:
        array = np.asarray(value, dtype=np.float64)
        known = np.isfinite(array)
        total, count = total + np.where(known, array, 0.0), count + known
    out: Scores = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return out


def commonest(support: npt.ArrayLike) -> Scores:
    """The confusion of always naming the class with most of `support` (K,), float64 (K, K)."""
    counts = np.asarray(support, dtype=np.float64)
    matrix = np.zeros((len(counts), len(counts)))
    matrix[:, int(counts.argmax())] = counts
    return matrix


@dataclass(frozen=True, eq=False)
class Metrics:
    """What one confusion matrix says.

    A class of the map that does not occur stays in the means of UF1 and UAR: it must not vanish in silence.
    """

    confusion: Counts = field(repr=False)
    loss: float = float("nan")
    by_subject: Mapping[str, Counts] = field(default_factory=dict, repr=False)
    """The same of each person's clips alone, by data set: int64 (S, K, K), where it is known whom they show."""

    @property
    def by_dataset(self) -> dict[str, Counts]:
        """The same of each data set's clips alone."""
        return {name: each.sum(axis=0) for name, each in self.by_subject.items()}

    @property
    def support(self) -> Counts:
        """Clips per true class, int64 (K,)."""
        out: Counts = self.confusion.sum(axis=1)
        return out

    @property
    def count(self) -> int:
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        return float(accuracy(self.confusion))

    @property
    def precision(self) -> Scores:
        """Per class, float64 (K,)."""
        return precision(self.confusion)

    @property
    def recall(self) -> Scores:
        """Per class, float64 (K,)."""
        return recall(self.confusion)

    @property
    def f1(self) -> Scores:
        """Per class, float64 (K,)."""
        return f1(self.confusion)

    @property
    def uf1(self) -> float:
        return float(uf1(self.confusion))

    @property
    def uar(self) -> float:
        return float(uar(self.confusion))

    def weighted(self, scores: Scores) -> float:
        """The mean of per-class `scores` (K,) weighted by support."""
        return float(_ratio((scores * self.support).sum(), self.support.sum()))

    def scores(self) -> run.Scores:
        """Plain numbers for a run's files; macro F1 is UF1 under its other name."""
        return run.Scores(
            loss=float(self.loss) if np.isfinite(self.loss) else None,
            accuracy=self.accuracy,
            uf1=self.uf1,
            uar=self.uar,
            macro_f1=self.uf1,
            weighted_f1=self.weighted(self.f1),
            confusion=tuple(map(tuple, self.confusion.tolist())),
            by_dataset={name: tuple(map(tuple, each.tolist())) for name, each in self.by_dataset.items()},
            by_subject={name: tuple(map(_sparse, each)) for name, each in self.by_subject.items()},
        )

    def table(self, classes: Sequence[str]) -> str:
        """The classification report as text: precision, recall, F1 and support per class, macro and weighted."""
        wide = max(12, *(len(name) for name in classes))
        lines = [f"{'':{wide}}  precision  recall      F1  support"]
        columns = (self.precision, self.recall, self.f1)
        for row, name in enumerate(classes):
            p, r, f = (column[row] for column in columns)
            lines.append(f"{name:{wide}}  {p:9.3f}  {r:6.3f}  {f:6.3f}  {self.support[row]:7d}")
        lines.append(f"{'accuracy':{wide}}  {'':9}  {'':6}  {self.accuracy:6.3f}  {self.count:7d}")
        for title, mean in (("macro", lambda c: float(c.mean())), ("weighted", self.weighted)):
            p, r, f = (mean(column) for column in columns)
            lines.append(f"{title:{wide}}  {p:9.3f}  {r:6.3f}  {f:6.3f}  {self.count:7d}")
        return "\n".join(lines)


def _sparse(matrix: Counts) -> tuple[int, ...]:
    cells = np.flatnonzero(matrix)
    return tuple(np.stack([cells, matrix.ravel()[cells]], 1).ravel().tolist())


def dense(pairs: Sequence[int], classes: int) -> Counts | None:
    """The matrix (K, K) out of pairs of a cell, row * K + column, and its clips, as in a run's file; None if odd."""
    cells, counts = np.array(pairs[::2], dtype=np.int64), np.array(pairs[1::2], dtype=np.int64)
    if len(cells) != len(counts) or any(cells < 0) or any(cells >= classes**2) or any(counts < 0):
        return None
    found = np.zeros(classes**2, dtype=np.int64)
    np.add.at(found, cells, counts)
    return found.reshape(classes, classes)


def _hits(counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> Scores:
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    out: Scores = np.divide(above, below, out=np.zeros_like(above), where=below != 0)
    return out

"""What the field prints of a comparison: UF1 and UAR with intervals, F1 of each class, and which clips these are of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2pfl_me.learning.metrics import f1, uar, uf1
from p2pfl_me.report.arms import BASELINES, Arm
from p2pfl_me.report.datasets import dataset_words, several_datasets
from p2pfl_me.report.document import Block, Table
from p2pfl_me.report.formatting import NONE
from p2pfl_me.report.methods import Setting, lent_baselines
from p2pfl_me.report.results import Counts, arm_confusions, arm_people, subject_interval
from p2pfl_me.report.run import Run

FULL = "Full"
MOST_DRAWN = 64
"""Models of a run whose interval is drawn, spread over all: the mean of so many is that of thousands."""


@dataclass(frozen=True, slots=True)
class _Row:
    """An arm's models, by run: of one data set's clips, or of all. `people` holds the same by person, where kept."""

    name: str
    dataset: str
    runs: tuple[tuple[Counts, ...], ...]
    people: tuple[tuple[Counts, ...], ...]


def field_blocks(setting: Setting) -> Iterator[Block]:
    """One table: UF1 and UAR with intervals and F1 by class, of every set-up and baseline whose answers are known.

    Over all test clips, and for each data set where they are of several.
    """
    runs = [run for method in setting.methods for run in method.runs]
    datasets, classes = several_datasets(runs), runs[0].contract.model.classes
    rows = [row for name in ("", *datasets) for row in _rows(setting, name) if row.runs]
    if not rows or any(len(matrix) != len(classes) for row in rows for run in row.runs for matrix in run):
        return
    of = ("clips of",) if datasets else ()
    table = tuple((row.name, *_of(row, datasets), *_cells(row)) for row in rows)
    caption = (
        "UF1 and UAR over all classes with 95 % intervals over draws of test subjects, then F1 of each class; means "
        f"over {'seeds and ' * setting.several}peers, of models that were asked."
        f"{' Of several seeds the ends of the intervals are averaged.' * setting.several}{_unknown_words(rows)}"
    )
    title = "UF1 and UAR with intervals, and F1 of each class" + (", by data set" if datasets else "")
    header = ("", *of, "UF1", "UAR", *(f"F1, {name}" for name in classes))
    told = caption + (dataset_words(runs, datasets) if datasets else "")
    yield Table(header, table, told, words=frozenset(range(1 + len(of))), folded=title)


def clips_words(runs: Sequence[Run]) -> str:
    """By what another paper can show that it used the same clips; nothing where no run knows."""
    known = dict.fromkeys((run.manifest.clips.source, run.manifest.clips.digest) for run in runs)
    said = [
        f"{source or 'clips'}: SHA-256 of the rows, whatever their split, {digest}"
        for source, digest in known
        if digest
    ]
    return "; ".join(said)


def _rows(setting: Setting, dataset: str) -> Iterator[_Row]:
    for method in setting.methods:
        # One model at every peer or not is a question of all clips: by luck several agree on those of one data set.
        one = _are_one(_models(method.runs, Arm.GOSSIP), _models(method.runs, Arm.AVERAGE))
        alone = all(run.sole for run in method.runs)
        arms = (Arm.GOSSIP,) if alone else (Arm.AVERAGE,) if one else (Arm.GOSSIP, Arm.AVERAGE)
        for arm in arms:
            words = "every peer and the average, one model" if one and not alone else arm.of(alone=alone).lower()
            yield _row(f"{method.name}: {words}", method.runs, arm, dataset)
    for arm in BASELINES:
        for lent in lent_baselines(setting, arm):
            of = arm.of(alone=setting.alone)
            words = f"{lent.name}: {of.lower()}" if lent.name else of
            yield _row(words, lent.runs, arm, dataset)


def _row(name: str, runs: Sequence[Run], arm: Arm, dataset: str) -> _Row:
    asked = [run for run in runs if arm_confusions(run, arm, dataset)]
    return _Row(name, dataset, _models(asked, arm, dataset), tuple(arm_people(run, arm, dataset) for run in asked))


def _unknown_words(rows: Sequence[_Row]) -> str:
    """Why some score stands without an interval."""
    whole = [people for row in rows if not row.dataset for people in row.people]
    words = ""
    if any(not models for models in whole):
        words += " Runs that did not keep their answers by subject give no interval."
    alone = sorted({row.dataset for row in rows for models in row.people for each in models if len(each) == 1})
    if alone:
        of = " or ".join(name or "the test clips" for name in alone)
        words += f" Where {of} show one subject, none can be drawn."
    return words


def _models(runs: Sequence[Run], arm: Arm, dataset: str = "") -> tuple[tuple[Counts, ...], ...]:
    found = (tuple(arm_confusions(run, arm, dataset).values()) for run in runs)
    return tuple(matrices for matrices in found if matrices)


def _are_one(gossip: Sequence[Sequence[Counts]], average: Sequence[Sequence[Counts]]) -> bool:
    """Whether each peer gave the average model's answers in all runs, class by class."""
    pairs = zip(gossip, average, strict=False)
    return (
        bool(gossip)
        and len(gossip) == len(average)
        and all(np.array_equal(matrix, one) for peers, (one, *_) in pairs for matrix in peers)
    )


def _of(row: _Row, datasets: Sequence[str]) -> tuple[str, ...]:
    return (row.dataset or FULL,) if datasets else ()


def _cells(row: _Row) -> tuple[str, ...]:
    return _bracketed(row, uf1), _bracketed(row, uar), *_by_class(row)


def _bracketed(row: _Row, metric: Callable[[npt.ArrayLike], npt.NDArray[np.float64]]) -> str:
    """`0.719 [0.65, 0.78]`; of several runs the means, as if all seeds had the same subjects."""
    asked = [[metric(each) for each in matrices if each.any()] for matrices in row.runs]
    means = [float(np.mean(scores)) for scores in asked if scores]
    if not means:
        return NONE
    some = [people[:: -(-len(people) // MOST_DRAWN)] for people in row.people if people]
    ends = [(found.low, found.high) for each in some if (found := subject_interval(each, metric)) is not None]
    if not ends or len(ends) < len(means):
        return f"{np.mean(means):.3f}"
    low, high = np.mean(ends, axis=0)
    return f"{np.mean(means):.3f} [{low:.2f}, {high:.2f}]"


def _by_class(row: _Row) -> Iterator[str]:
    """F1 of each class, of the models that were shown it: first over those of a run, then over runs."""
    for place in range(len(row.runs[0][0])):
        asked = [[f1(each)[place] for each in matrices if each[place].any()] for matrices in row.runs]
        means = [float(np.mean(scores)) for scores in asked if scores]
        yield f"{np.mean(means):.3f}" if means else NONE

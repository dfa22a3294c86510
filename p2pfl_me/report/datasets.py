"""Scores by data set: which data sets the clips of runs are of, and what a reader must know of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from p2pfl_me.report.arms import IN_A_RUN
from p2pfl_me.report.results import Counts, arm_confusions, datasets_of
from p2pfl_me.report.run import Run


def several_datasets(runs: Sequence[Run]) -> tuple[str, ...]:
    """The data sets of the runs' test clips by name, where there are several; else none."""
    names = sorted({name for run in runs for name in datasets_of(run)})
    return tuple(names) if len(names) > 1 else ()


def lacking_words(name: str, classes: Sequence[str], support: Sequence[int], unit: str, where: str = "") -> str:
    """What classes that no clip of a data set shows do to its scores; empty where all are shown.

    Parameters
    ----------
    unit:
        What is counted, as `clip`.
    where:
        Of which runs this is said, as ` with seed 2`.
    """
    absent = [each for each, count in zip(classes, support, strict=True) if not count]
    if not absent:
        return ""
    return (
        f" No {unit} of {name} shows {' or '.join(absent)}{where}, which counts as 0 in its means: "
        f"there is no more than {(len(classes) - len(absent)) / len(classes):.3f} to be had."
    )


def dataset_words(runs: Sequence[Run], names: Sequence[str]) -> str:
    """How many test clips are of each data set, and what lacks, by seed; runs that do not know are counted."""
    classes = runs[0].contract.model.classes
    known = {run.seed: run for run in reversed(runs) if datasets_of(run)}
    supports = {name: {seed: support_of(run, name) for seed, run in sorted(known.items())} for name in names}
    counts = ", ".join(f"{name} {_range([int(each.sum()) for each in supports[name].values()])}" for name in names)
    words = f" Test clips: {counts}."
    for name, found in supports.items():
        words += "".join(_lacking(name, classes, found))
    if unknown := sum(not datasets_of(run) for run in runs):
        words += f" {unknown} of {len(runs)} runs did not keep their answers by data set, and stand in Full alone."
    return words


def support_of(run: Run, dataset: str = "") -> Counts:
    """Test clips by class, int64 (K,): the most that any model was asked about."""
    matrices = [each for arm in IN_A_RUN for each in arm_confusions(run, arm, dataset).values()]
    none = np.zeros(len(run.contract.model.classes), dtype=np.int64)
    found: Counts = np.max([none, *(each.sum(axis=1) for each in matrices)], axis=0)
    return found


def _lacking(name: str, classes: Sequence[str], supports: dict[int, Counts]) -> Iterator[str]:
    """Of a data set's supports by seed: the seeds that lack the same are named together, all of them not at all."""
    by_support: dict[tuple[bool, ...], list[int]] = {}
    for seed, support in supports.items():
        by_support.setdefault(tuple(bool(count) for count in support), []).append(seed)
    for shown, seeds in by_support.items():
        some = len(seeds) < len(supports)
        where = f" with seed {', '.join(map(str, seeds))}" if some else ""
        if any(shown):
            yield lacking_words(name, classes, shown, "test clip", where)
        else:
            yield f" No test clip is of {name}{where}."


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"

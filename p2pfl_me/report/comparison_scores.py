"""The scores part of a comparison: tables by metric, and the score by round with the baselines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.comparison_picture import picture
from p2pfl_me.report.document import Block, Paragraph, Table
from p2pfl_me.report.formatting import figure
from p2pfl_me.report.methods import MB, METRIC, Method, Setting, course_of
from p2pfl_me.report.numbers import Cell
from p2pfl_me.report.results import curve_points, extremes, final_scores, isolated_curves, over_seeds
from p2pfl_me.report.run import Run

SHOWN_METRICS = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}


def score_blocks(setting: Setting, target: float | None) -> Iterator[Block]:
    """Tables of final scores, a metric each, and the figure of scores by round."""
    for metric, title in SHOWN_METRICS.items():
        header = (title, "average model", "mean peer", "worst peer", "best peer")
        yield Table(header, tuple(_score_rows(setting, metric)), frozenset(range(1, len(header))))
    yield Paragraph(
        "Scores at the last round, mean ± standard deviation over seeds; macro F1 is UF1 under its other name. "
        "scores.csv has every seed."
    )
    yield from score_picture_of(setting, target)


def score_picture_of(setting: Setting, target: float | None) -> Iterator[Block]:
    """The figure of scores by round; nothing without scores."""
    header, numbers = course_rows(setting, target)
    if not any(row[0] == "set-up" for row in numbers):
        return
    reading = "The mean peer's own model after every exchange, averaged over the seeds that reached the round."
    if any(row[0] == "set-up" and row[6] for row in numbers):
        reading += " The bars on the right are one standard deviation over seeds; every seed has other test clips."
    if any(row[0] == "baseline" for row in numbers):
        reading += " Thin grey lines: the same shards trained without gossip."
    yield picture(
        "score-rounds",
        "Score by round",
        reading,
        "Line chart of UF1 by round for every set-up, with the baselines",
        header,
        numbers,
    )


def _score_rows(setting: Setting, metric: str) -> Iterator[tuple[str, ...]]:
    for method in setting.methods:
        yield (method.name, _figure(method, Arm.AVERAGE, metric), *_peers(method, Arm.GOSSIP, metric))
    for lent in _lent(setting):
        name = f"{lent.name}: " if lent.name else ""
        if over_seeds(lent.runs, Arm.ISOLATED, metric) is not None:
            yield (f"{name}{Arm.ISOLATED.words}", "", *_peers(lent, Arm.ISOLATED, metric))
        for arm in (Arm.FEDAVG, Arm.POOLED):
            if over_seeds(lent.runs, arm, metric) is not None:
                yield (f"{name}{arm.words}", _figure(lent, arm, metric), "", "", "")


def _figure(method: Method, arm: Arm, metric: str) -> str:
    return figure(over_seeds(method.runs, arm, metric))


def _peers(method: Method, arm: Arm, metric: str) -> tuple[str, ...]:
    """The mean, the worst and the best peer; the last two are nobody's where there is one."""
    ends = extremes(method.runs, arm, metric) or (None, None)
    return (_figure(method, arm, metric), *map(figure, ends))


def _lent(setting: Setting) -> Iterator[Method]:
    """The baselines: once without a name where all set-ups of a seed share them, else each set-up's own."""
    runs = {run.seed: run for method in setting.methods for run in method.runs if run.baselines}
    if all(_ends(run) == _ends(runs[run.seed]) for method in setting.methods for run in method.runs if run.baselines):
        yield Method("", tuple(runs.values()))
    else:
        yield from setting.methods


def _ends(run: Run) -> list[dict[int, float]]:
    return [final_scores(run, arm, METRIC) for arm in (Arm.ISOLATED, Arm.FEDAVG, Arm.POOLED)]


def course_rows(
    setting: Setting, target: float | None, *, baselines: bool = True
) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Header and rows of the figures of scores: kind, series, round, megabytes, seconds, mean and deviation."""
    header = ("kind", "series", "round", "mb_a_peer", "seconds", "uf1_mean", "uf1_std")
    rows: list[tuple[Cell, ...]] = []
    for method in setting.methods:
        course = course_of(method)
        if course is None:
            continue
        for place, index in enumerate(course.rounds):
            values = (course.sent[place] / MB, course.seconds[place], course.score[place], course.std[place])
            rows.append(("set-up", method.name, index, *map(_cell, values)))
    if baselines:
        for lent in _lent(setting):
            for name, points in _baseline_courses(lent.runs):
                words = f"{lent.name}: {name}" if lent.name else name
                rows += [("baseline", words, index, None, None, mean, None) for index, mean in points]
    if target is not None:
        rows.append(("target", "target", None, None, None, target, None))
    return header, rows


def _baseline_courses(runs: Sequence[Run]) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    """Means over the seeds, of the rounds that all of them reached."""
    for name in ("isolated", "FedAvg", "pooled"):
        courses = []
        for run in runs:
            if name == "isolated":
                curves = isolated_curves(run, METRIC)
                points = dict(zip(curves.rounds, curves.mean().tolist(), strict=True))
            else:
                points = dict(curve_points(run.baselines.fedavg if name == "FedAvg" else run.baselines.pooled, METRIC))
            if points:
                courses.append(points)
        shared = sorted(set.intersection(*(set(course) for course in courses))) if courses else []
        if shared:
            yield name, [(index, float(np.mean([course[index] for course in courses]))) for index in shared]


def _cell(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None

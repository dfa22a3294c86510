"""A comparison's scores by round, megabytes and seconds: the mean peer of every set-up, baselines and target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import Draw, SettingPart, figure_named, in_setting
from p2pfl_me.report.line_styles import (
    DOTTED,
    SET_UP,
    TARGET,
    LineStyle,
    line_styles_of,
    names_of,
    score_lines,
    target_lines,
)
from p2pfl_me.report.methods import MB, METRIC, Setting, course_of, lent_baselines
from p2pfl_me.report.numbers import Cell, Row, points
from p2pfl_me.report.results import score_curves
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import (
    MUTED,
    NARROW,
    Dash,
    belongs,
    curve,
    few_ticks,
    line_chart,
    new_figure,
    round_axis,
    score_axis,
)

BASELINE_DASHES: dict[str, Dash] = {"isolated": (0, (6, 2)), "FedAvg": DOTTED, "pooled": (0, (6, 1.5, 1, 1.5))}
Cells = tuple[Cell, ...]
HEADER = ("kind", "series", "round", "mb_a_peer", "seconds", "uf1_mean", "uf1_std", "peers")
BASELINE = "baseline"
HEIGHT, LINE = 3.9, 0.28
"""Inches: of such a figure, and of a label in it; one of many labels is higher."""


@in_setting(SettingPart.SCORES)
def scores_by_round(setting: Setting) -> Picture | None:
    """None without scores."""
    baselines = tuple(_baselines(setting))
    whose = "The peer's model after every round" if setting.alone else "The mean peer's own model after every exchange"
    reading = f"{whose}{', averaged over the seeds that reached the round' * setting.several}."
    if any(row[HEADER.index("uf1_std")] for row in _set_ups(setting)):
        reading += " The bars on the right are one standard deviation over seeds; every seed has other test clips."
    if baselines:
        reading += " Thin grey lines: the same shards trained without gossip."
    target = tuple(_target(setting)) if len(setting.methods) > 1 or setting.goal is not None else ()
    if target:
        reading += " Dotted: the target, of which the part on costs tells what it takes."
    alt = "Line chart of UF1 by round for every set-up, with the baselines"
    return _picture(setting, "score-rounds", "round", "Score by round", reading, alt, (*baselines, *target))


@in_setting(SettingPart.COST)
def scores_by_megabytes(setting: Setting) -> Picture | None:
    """None where no bytes were counted, or nobody had a neighbour to send them to."""
    if setting.alone:
        return None
    reading = "Further left at the same height is cheaper: what a score costs in traffic, all counted."
    alt = "Line chart of UF1 by megabytes that a peer has sent for every set-up"
    target = tuple(_target(setting))
    return _picture(setting, "score-mb", "mb_a_peer", "Score by megabytes sent", reading, alt, target)


@in_setting(SettingPart.COST)
def scores_by_seconds(setting: Setting) -> Picture | None:
    """None where no time was taken."""
    slowest = "peer" if setting.alone else "slowest peer"
    reading = f"Seconds until the {slowest} ended the round. {_clock(setting)}".rstrip()
    alt = "Line chart of UF1 by seconds for every set-up"
    return _picture(setting, "score-seconds", "seconds", "Score by time", reading, alt, tuple(_target(setting)))


def _picture(
    setting: Setting, name: str, column: str, title: str, reading: str, alt: str, more: tuple[Cells, ...]
) -> Picture | None:
    rows, place = tuple(_set_ups(setting)), HEADER.index(column)
    if all(row[place] is None for row in rows):
        return None
    return Picture(name, title, reading, alt, HEADER, (*rows, *more))


def _clock(setting: Setting) -> str:
    engines = {run.manifest.engine for method in setting.methods for run in method.runs}
    if engines <= {"", "processes"}:
        if setting.alone:
            return ""
        return (
            "All peers share this machine's cores and no network slows them: between laboratories, transfer time "
            "weighs more."
        )
    return "The clock is the simulation's: what training and transfer are taken to last, not what they took here."


def _set_ups(setting: Setting) -> Iterator[Cells]:
    for method in setting.methods:
        if course := course_of(method):
            columns = (course.sent / MB, course.seconds, course.score, course.std)
            peers = method.runs[0].contract.peers.count
            for index, *values in zip(course.rounds, *columns, strict=True):
                cells = (float(each) if np.isfinite(each) else None for each in values)
                yield (SET_UP, method.name, index, *cells, peers)


def _baselines(setting: Setting) -> Iterator[Cells]:
    for arm, words in zip((Arm.ISOLATED, Arm.FEDAVG, Arm.POOLED), BASELINE_DASHES, strict=True):
        for lent in lent_baselines(setting, arm):
            name = f"{lent.name}: {words}" if lent.name else words
            for index, mean in _mean_course(lent.runs, arm):
                yield (BASELINE, name, index, None, None, mean, None, None)


def _mean_course(runs: Sequence[Run], arm: Arm) -> list[tuple[int, float]]:
    """Means over the seeds, of the rounds that all of them reached."""
    every = [score_curves(run, METRIC, arm) for run in runs]
    courses = [dict(zip(each.rounds, each.mean().tolist(), strict=True)) for each in every if each.rounds]
    shared = sorted(set.intersection(*(set(course) for course in courses))) if courses else []
    return [(index, float(np.mean([course[index] for course in courses]))) for index in shared]


def _target(setting: Setting) -> Iterator[Cells]:
    if setting.target is not None:
        yield (TARGET, "target", None, None, None, setting.target, None, None)


def _score_by(column: str, label: str, place: str) -> Draw:
    """The drawing of scores over a column of the CSV; `place` is a format of x for who points at it."""
    tip = f"{place}: UF1 {{y:.3f}}"

    def draw(rows: Sequence[Row], width: float) -> Figure:
        styles, baselines = line_styles_of(rows), names_of(rows, BASELINE)
        # Where set-ups have baselines of their own, all of one kind bear one label between them.
        shared = len(baselines) > len(BASELINE_DASHES)
        height = max(HEIGHT, LINE * (len(styles) + min(len(baselines), len(BASELINE_DASHES)) + 1))
        figure, axes = new_figure(height, width)
        labels = score_lines(axes, rows, column, tip)
        ends: dict[str, list[float]] = {}
        for series in baselines:
            own, words = points(rows, "round", "uf1_mean", kind=BASELINE, series=series), series.rpartition(": ")[2]
            curve(axes, own, series, tip, color=MUTED, linestyle=BASELINE_DASHES[words], linewidth=1.1, zorder=2)
            ends.setdefault(words if shared else series, []).append(own[-1][1])
        labels += [(float(np.mean(own)), words, MUTED) for words, own in ends.items()]
        if column == "round":
            round_axis(axes, rows)
            _spread_bars(axes, rows, styles)
        else:
            axes.set_xlim(0, 1.02 * max(place for place, _ in points(rows, column, "uf1_mean")) or 1.0)
            few_ticks(axes, 6 if width > NARROW else 4)
            axes.set_xlabel(label)
            _mark_ends(axes, rows, column, styles)
        labels += target_lines(axes, rows)
        # A file from before the column was there does not say, and its headline stays.
        alone = {row.get("peers") for row in rows if row["kind"] == SET_UP} == {"1"}
        whose = "peer" if alone else "mean peer"
        line_chart(axes, f"UF1 of the {whose}", labels, score_axis, gap=0.07 * HEIGHT / height)
        return figure

    return draw


figure_named("score-rounds")(_score_by("round", "round", "round {x:g}"))
figure_named("score-mb")(_score_by("mb_a_peer", "MB sent a peer, on the wire", "{x:.3g} MB"))
figure_named("score-seconds")(_score_by("seconds", "seconds since the peers began", "{x:.3g} s"))


def _mark_ends(axes: Axes, rows: Sequence[Row], column: str, styles: dict[str, LineStyle]) -> None:
    """A dot where a line ends: in bytes and seconds the lines have different lengths."""
    for series, line in styles.items():
        for x, y in points(rows, column, "uf1_mean", kind=SET_UP, series=series)[-1:]:
            _dot(axes, x, y, line, 5, series)


def _dot(axes: Axes, x: float, y: float, line: LineStyle, size: float, series: str) -> None:
    own = axes.plot([x], [y], color=line.colour, marker=line.mark or "o", markersize=size, linestyle="none", zorder=4)
    own[0].set_clip_on(False)
    own[0].set_gid(belongs(axes, series))


def _spread_bars(axes: Axes, rows: Sequence[Row], styles: dict[str, LineStyle]) -> None:
    """Right of the lines, a bar for each: mean and one standard deviation of the last round, where there are seeds."""
    low, high = axes.get_xlim()
    step = 0.018 * (high - low)
    place = high
    for series, line in styles.items():
        for mean, std in points(rows, "uf1_mean", "uf1_std", kind=SET_UP, series=series)[-1:]:
            if std > 0:
                place += step
                ends = [mean - std, mean + std]
                own = axes.plot([place, place], ends, color=line.colour, linewidth=1.4, alpha=0.8, clip_on=False)
                own[0].set_gid(belongs(axes, series))
                _dot(axes, place, mean, line, 3.5, series)
    if place > high:
        axes.set_xlim(low, place + step)

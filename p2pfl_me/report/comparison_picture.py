"""Figures that set groups of runs side by side: mean score by round, and by bytes sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from p2pfl_me.report.document import Cell, Picture
from p2pfl_me.report.groups import Group
from p2pfl_me.report.results import METRICS, Floats, score_curves
from p2pfl_me.report.style import (
    GROUP_COLOURS,
    NARROW,
    WIDTH,
    end_labels,
    headline,
    new_figure,
    round_axis,
    show_single_points,
    y_grid,
)
from p2pfl_me.report.traffic import readable_bytes, sent_by_round


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """The mean peer's score of one group by round: mean and std over seeds, and bytes a peer had sent by then."""

    name: str
    colour: str
    rounds: tuple[int, ...]
    mean: Floats
    std: Floats
    sent: Floats
    seeds: int


def comparison_pictures(groups: Sequence[Group], metric: str = "uf1") -> tuple[Picture, ...]:
    """Score by round and score by bytes for several groups (or several seeds of one); empty without scores."""
    courses = [course for index, group in enumerate(groups) if (course := _course(group, index, metric))]
    if not courses:
        return ()
    label = METRICS[metric]
    band = " The band is one standard deviation over seeds." if any(c.seeds > 1 for c in courses) else ""
    what = (
        "Higher and earlier is better; what sets the lines apart is what their contracts differ in."
        if len(groups) > 1
        else "The mean over the peers, then over the seeds."
    )
    header = ("group", "seeds", "round", f"{metric}_mean", f"{metric}_std", "bytes_sent_a_peer")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (course.name, course.seeds, index, _cell(mean), _cell(std), _cell(sent))
        for course in courses
        for index, mean, std, sent in zip(course.rounds, course.mean, course.std, course.sent, strict=True)
    )
    found = [
        Picture(
            name="comparison-rounds",
            title=f"{label} of the mean peer by round",
            reading=f"{what}{band}",
            alt=f"Line chart of mean {label} by round for every group of runs",
            figure=_by_round(courses, label, WIDTH),
            narrow=_by_round(courses, label, NARROW),
            header=header,
            rows=rows,
        )
    ]
    if any(np.isfinite(course.sent).any() for course in courses):
        found.append(
            Picture(
                name="comparison-bytes",
                title=f"{label} of the mean peer by bytes it has sent",
                reading="Further left at the same height is cheaper: what a score costs in traffic, headers and "
                f"encryption counted.{band}",
                alt=f"Line chart of mean {label} by bytes sent for every group of runs",
                figure=_by_bytes(courses, label, WIDTH),
                narrow=_by_bytes(courses, label, NARROW),
                header=header,
                rows=rows,
            )
        )
    return tuple(found)


def _cell(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _course(group: Group, index: int, metric: str) -> Course | None:
    per_round: dict[int, list[float]] = {}
    bytes_by_round: dict[int, list[float]] = {}
    for run in group.runs:
        curves = score_curves(run, metric)
        for each, value in zip(curves.rounds, curves.mean(), strict=True):
            if np.isfinite(value):
                per_round.setdefault(each, []).append(float(value))
        for each, sent in sent_by_round(run):
            bytes_by_round.setdefault(each, []).append(sent)
    if not per_round:
        return None
    rounds = tuple(sorted(per_round))
    return Course(
        name=group.name,
        colour=GROUP_COLOURS[index % len(GROUP_COLOURS)],
        rounds=rounds,
        mean=np.array([np.mean(per_round[each]) for each in rounds]),
        std=np.array([np.std(v, ddof=1) if len(v := per_round[each]) > 1 else 0.0 for each in rounds]),
        sent=np.array([np.mean(bytes_by_round.get(each, [np.nan])) for each in rounds]),
        seeds=len(group.runs),
    )


def _by_round(courses: Sequence[Course], label: str, width: float) -> Figure:
    figure, axes = new_figure(3.6, width)
    for course in courses:
        axes.fill_between(
            course.rounds,
            course.mean - course.std,
            course.mean + course.std,
            color=course.colour,
            alpha=0.14,
            linewidth=0,
        )
        axes.plot(course.rounds, course.mean, color=course.colour, linewidth=2.2)
    show_single_points(axes)
    last = max(course.rounds[-1] for course in courses)
    round_axis(axes, min(course.rounds[0] for course in courses), last)
    y_grid(axes)
    headline(axes, label)
    end_labels(axes, [(last, float(c.mean[-1]), c.name, c.colour) for c in courses])
    return figure


def _by_bytes(courses: Sequence[Course], label: str, width: float) -> Figure:
    figure, axes = new_figure(3.6, width)
    labels, most = [], 0.0
    for course in courses:
        known = np.isfinite(course.sent)
        if not known.any():
            continue
        x, y = course.sent[known], course.mean[known]
        axes.fill_between(x, y - course.std[known], y + course.std[known], color=course.colour, alpha=0.14, linewidth=0)
        axes.plot(x, y, color=course.colour, linewidth=2.2)
        labels.append((float(x[-1]), float(y[-1]), course.name, course.colour))
        most = max(most, float(x[-1]))
    show_single_points(axes)
    axes.set_xlim(0, 1.02 * most or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5 if width > NARROW else 3, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: readable_bytes(value) if value else "0"))
    axes.set_xlabel("bytes sent a peer, on the wire")
    y_grid(axes)
    headline(axes, label)
    end_labels(axes, labels)
    return figure

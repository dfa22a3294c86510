"""The figures of mixing alone: what is left of the distance, by rounds and by megabytes, measured and predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import Draw, figure_named
from p2pfl_me.report.line_styles import DOTTED, SET_UP, line_styles_of
from p2pfl_me.report.mixing import Mixing
from p2pfl_me.report.numbers import Cell, Row, points
from p2pfl_me.report.style import (
    BACKGROUND,
    NARROW,
    WIDTH,
    belongs,
    curve,
    end_labels,
    few_ticks,
    headline,
    new_figure,
    percent_log_axis,
    short,
    y_grid,
)

LOWEST = 2e-5
"""What is below counts as agreement: there float32 begins to round."""
BOTTOM = LOWEST / 30
"""Between the lines' ends and here stand their names."""
MOST_LEVELS = 3
"""So many names one under another have room above the axis."""


def mixing_pictures(mixings: Sequence[Mixing]) -> Iterator[Picture]:
    """By megabytes and by rounds."""
    header = ("kind", "series", "round", "mb_a_peer", "distance", "predicted_distance")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (SET_UP, mixing.name, index, *map(float, cells))
        for mixing in mixings
        for index, cells in enumerate(zip(mixing.megabytes, mixing.measured, mixing.predicted, strict=True))
    )
    yield Picture(
        "mixing-mb",
        "Mixing alone: distance by megabytes",
        "Further left is cheaper: what agreement costs in traffic. A line that falls to the bottom has reached the "
        "exact mean.",
        "Line chart on a log axis of the distance between models by megabytes sent, for every set-up",
        header,
        rows,
    )
    yield Picture(
        "mixing-rounds",
        "Mixing alone: distance by rounds",
        "The measured line lies on the predicted one, which follows from the graph and its weights alone.",
        "Line chart on a log axis of the distance between models by round, for every set-up, with predictions",
        header,
        rows,
    )


class _End(NamedTuple):
    """Where a line ends, its name, its colour, and the id of what is shown and hidden with it."""

    x: float
    y: float
    words: str
    colour: str
    belonging: str | None


def _mixing_by(column: str, label: str, place: str) -> Draw:
    """The drawing of distances over `column` of the CSV; `place` is a format of x for who points at it."""
    tip = f"{place}: {{y:.3%}} left"

    def draw(rows: Sequence[Row], width: float) -> Figure:
        figure, axes = new_figure(3.9, width)
        ends: list[_End] = []
        for series, line in line_styles_of(rows).items():
            x, predicted = _course(rows, column, "predicted_distance", series)
            _, measured = _course(rows, column, "distance", series)
            under = axes.plot(x, predicted, color=line.colour, linestyle=DOTTED, linewidth=3.2, alpha=0.45)
            own = list(zip(x, measured, strict=True))
            curve(axes, own, series, tip, color=line.colour, linestyle=line.dash, linewidth=1.6, zorder=3)
            dot = axes.plot(x[-1:], measured[-1:], color=line.colour, marker="o", markersize=4.5, zorder=4)
            for each in (*under, *dot):
                each.set_gid(belongs(axes, series))
            ends.append(_End(x[-1], measured[-1], line.label, line.colour, belongs(axes, series)))
        last = max(end.x for end in ends)
        axes.set_ylim(BOTTOM, 1.6)
        percent_log_axis(axes)
        axes.set_yticks([10.0**-power for power in range(5)])
        axes.set_xlim(-0.02 * last, 1.02 * last)
        few_ticks(axes, 6 if width > NARROW else 4)
        axes.set_xlabel(label)
        y_grid(axes)
        headline(axes, "Distance to the mean, in % of the first (log scale); thick and dotted: predicted")
        _name_ends(axes, ends, width)
        return figure

    return draw


figure_named("mixing-rounds")(_mixing_by("round", "round", "round {x:g}"))
figure_named("mixing-mb")(_mixing_by("mb_a_peer", "MB sent a peer, on the wire", "{x:.3g} MB"))


def _course(rows: Sequence[Row], x: str, y: str, series: str) -> tuple[list[float], list[float]]:
    own = points(rows, x, y, series=series)
    return [place for place, _ in own], [max(distance, LOWEST) for _, distance in own]


def _name_ends(axes: Axes, ends: Sequence[_End], width: float) -> None:
    """Each name under its line's end, on the first level where it meets no other's; right of all if these are many."""
    taken: list[float] = []
    placed: list[tuple[_End, float, int]] = []
    for end in sorted(ends):
        x, y, words, *_ = end
        words = short(words, 26)
        share = float((axes.transScale + axes.transLimits).transform((x, y))[0])
        half = 0.0075 * len(words) * WIDTH / width
        centre = min(max(share, half), 1 - half)
        level = next((place for place, right in enumerate(taken) if right < centre - half), len(taken))
        taken[level : level + 1] = [centre + half + 0.02]
        placed.append((end, centre, level))
    if len(taken) > MOST_LEVELS:
        axes.set_ylim(bottom=LOWEST / 2)  # no names stand below
        end_labels(axes, [(end.y, end.words, end.colour) for end in ends])
        return
    for (x, y, words, colour, belonging), centre, level in placed:
        height = 0.17 - 0.055 * level
        foot = axes.transScale.inverted().transform(axes.transLimits.inverted().transform((0.0, height)))[1]
        axes.plot([x, x], [y, foot], color=colour, linewidth=0.6, alpha=0.5, gid=belonging)
        axes.text(
            centre,
            height,
            short(words, 26),
            transform=axes.transAxes,
            color=colour,
            gid=belonging,
            fontsize=8.5,
            ha="center",
            va="center",
            bbox=BACKGROUND,
        )

"""The figures of mixing alone: what is left of the distance, by rounds and by megabytes, measured and predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import Draw, figure_named
from p2pfl_me.report.line_styles import DOTTED, SET_UP, line_styles_of
from p2pfl_me.report.mixing import Mixing
from p2pfl_me.report.numbers import Cell, Row, points
from p2pfl_me.report.style import (
    NARROW,
    Label,
    belongs,
    curve,
    few_ticks,
    line_chart,
    new_figure,
    percent_log_axis,
    round_axis,
)

LOWEST = 2e-5
"""What is below counts as agreement: there float32 begins to round."""


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


def _mixing_by(column: str, place: str) -> Draw:
    """The drawing of distances over `column` of the CSV; `place` is a format of x for who points at it."""
    tip = f"{place}: {{y:.3%}} left"

    def draw(rows: Sequence[Row], width: float) -> Figure:
        figure, axes = new_figure(3.9, width)
        labels: list[Label] = []
        for series, line in line_styles_of(rows).items():
            predicted, measured = (
                [(x, max(y, LOWEST)) for x, y in points(rows, column, name, series=series)]
                for name in ("predicted_distance", "distance")
            )
            under = axes.plot(
                *zip(*predicted, strict=True), color=line.colour, linestyle=DOTTED, linewidth=3.2, alpha=0.45
            )
            look: dict[str, Any] = {"color": line.colour, "linestyle": line.dash, "linewidth": 1.6, "zorder": 3}
            curve(axes, measured, series, tip, **look, **line.marks(len(measured)))
            end = axes.plot(*measured[-1], color=line.colour, marker=line.mark or "o", markersize=4.5, zorder=4)
            end[0].set_clip_on(False)
            for each in (*under, *end):
                each.set_gid(belongs(axes, series))
            labels.append((measured[-1][1], line.label, line.colour))
        if column == "round":
            round_axis(axes, rows)
        else:
            axes.set_xlim(0, 1.02 * max(x for x, _ in points(rows, column, "distance")))
            few_ticks(axes, 6 if width > NARROW else 4)
            axes.set_xlabel("MB sent a peer, on the wire")
        words = "Distance to the mean, in % of the first (log scale); thick and dotted: predicted"
        line_chart(axes, words, labels, _percents)
        return figure

    return draw


def _percents(axes: Axes) -> None:
    axes.set_ylim(LOWEST / 2, 1.6)
    percent_log_axis(axes)
    axes.set_yticks([10.0**-power for power in range(5)])


figure_named("mixing-rounds")(_mixing_by("round", "round {x:g}"))
figure_named("mixing-mb")(_mixing_by("mb_a_peer", "{x:.3g} MB"))

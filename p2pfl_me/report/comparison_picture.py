"""The figures of a comparison, by name: score by round, megabytes and seconds; distances; score for each megabyte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from p2pfl_me.report.document import Draw, Picture, figure_named
from p2pfl_me.report.line_styles import line_styles_of, names_of
from p2pfl_me.report.mixing_picture import mixing_by
from p2pfl_me.report.numbers import Cell, Row
from p2pfl_me.report.style import (
    BLUE,
    INK,
    MUTED,
    NARROW,
    RULE,
    Dash,
    end_labels,
    headline,
    new_figure,
    percent_log_axis,
    round_axis,
    short,
    show_single_points,
    y_grid,
)

DASHED = (0, (4, 1.8))
DOTTED = (0, (1, 1.6))
BASELINE_DASHES: tuple[Dash, ...] = ((0, (6, 2)), DOTTED, (0, (6, 1.5, 1, 1.5)))
FLOOR = 1e-9
"""Below float32 rounding: models that agree exactly have no place on a log axis."""


def picture(
    name: str, title: str, reading: str, alt: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> Picture:
    """A figure of this module with the numbers that it is drawn from."""
    return Picture(name, title, reading, alt, DRAW[name], tuple(header), tuple(tuple(row) for row in rows))


@dataclass(frozen=True, slots=True)
class _Axis:
    """Which column lies along x, and how it is labelled."""

    column: str
    label: str
    tick: Callable[[float], str]


def _score_by(axis: _Axis) -> Draw:
    def draw(rows: Sequence[Row], width: float) -> Figure:
        figure, axes = new_figure(3.9, width)
        labels: list[tuple[float, float, str, str]] = []
        ends: list[float] = []
        for series, line in line_styles_of(rows, "set-up").items():
            own = [row for row in rows if row["kind"] == "set-up" and row["series"] == series and row[axis.column]]
            if not own:
                continue
            x, y = [float(row[axis.column]) for row in own], [float(row["uf1_mean"]) for row in own]
            axes.plot(x, y, color=line.colour, linestyle=line.dash, linewidth=2.0, zorder=3)
            labels.append((x[-1], y[-1], line.label, line.colour))
            ends.append(x[-1])
        for place, series in enumerate(names_of(rows, "baseline")):
            dash = BASELINE_DASHES[place % len(BASELINE_DASHES)]
            own = [row for row in rows if row["kind"] == "baseline" and row["series"] == series]
            x, y = [float(row["round"]) for row in own], [float(row["uf1_mean"]) for row in own]
            axes.plot(x, y, color=MUTED, linestyle=dash, linewidth=1.1, zorder=2)
            labels.append((x[-1], y[-1], series, MUTED))
            ends.append(x[-1])
        show_single_points(axes)
        last = max(ends, default=1.0)
        if axis.column == "round":
            round_axis(axes, min((int(row["round"]) for row in rows if row["round"]), default=1), int(last))
        else:
            _from_zero(axes, last, axis, width)
        for row in rows:
            if row["kind"] == "target":
                axes.axhline(float(row["uf1_mean"]), color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
                labels.append((last, float(row["uf1_mean"]), f"target {float(row['uf1_mean']):.2f}", INK))
        if axis.column == "round":
            _spread_bars(axes, rows)
        else:
            _mark_ends(axes, rows, axis)
        y_grid(axes)
        headline(axes, "UF1 of the mean peer")
        # At the right border whatever the line's own end: a label inside the axes would lie on other lines.
        end_labels(axes, [(axes.get_xlim()[1], y, words, colour) for _, y, words, colour in labels], gap=0.07)
        return figure

    return draw


def _mark_ends(axes: Axes, rows: Sequence[Row], axis: _Axis) -> None:
    """A dot where a line ends: in bytes and seconds the lines have different lengths."""
    for series, line in line_styles_of(rows, "set-up").items():
        own = [row for row in rows if row["kind"] == "set-up" and row["series"] == series and row[axis.column]]
        if own:
            axes.plot(
                [float(own[-1][axis.column])],
                [float(own[-1]["uf1_mean"])],
                color=line.colour,
                marker="o",
                markersize=5,
                linestyle="none",
                clip_on=False,
                zorder=4,
            )


def _spread_bars(axes: Axes, rows: Sequence[Row]) -> None:
    """Right of the lines, a bar for each: mean and one standard deviation of the last round, where there are seeds."""
    low, high = axes.get_xlim()
    step = 0.018 * (high - low)
    place = high
    for series, line in line_styles_of(rows, "set-up").items():
        own = [row for row in rows if row["kind"] == "set-up" and row["series"] == series]
        if own and own[-1]["uf1_std"] and (std := float(own[-1]["uf1_std"])) > 0:
            place += step
            mean = float(own[-1]["uf1_mean"])
            axes.plot(
                [place, place], [mean - std, mean + std], color=line.colour, linewidth=1.4, alpha=0.8, clip_on=False
            )
            axes.plot([place], [mean], color=line.colour, marker="o", markersize=3.5, linestyle="none", clip_on=False)
    if place > high:
        axes.set_xlim(low, place + step)


def _from_zero(axes: Axes, last: float, axis: _Axis, width: float) -> None:
    axes.set_xlim(0, 1.02 * last or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6 if width > NARROW else 4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: axis.tick(value)))
    axes.set_xlabel(axis.label)


def _consensus(rows: Sequence[Row], width: float) -> Figure:
    figure, axes = new_figure(3.9, width)
    labels: list[tuple[float, float, str, str]] = []
    rounds = [int(row["round"]) for row in rows]
    for series, line in line_styles_of(rows, "set-up").items():
        own = [row for row in rows if row["series"] == series]
        for column, style, weight, strength in (
            ("distance", line.dash, 2.0, 1.0),
            ("predicted_distance", DASHED, 1.1, 0.75),
        ):
            points = [
                (int(row["round"]), float(row[column])) for row in own if row[column] and float(row[column]) > FLOOR
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True), color=line.colour, linestyle=style, linewidth=weight, alpha=strength
                )
                if column == "distance":
                    labels.append((rounds[-1], points[-1][1], line.label, line.colour))
    show_single_points(axes)
    percent_log_axis(axes)
    low, high = axes.get_ylim()
    if high / low < 15:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), numticks=12))
    round_axis(axes, min(rounds), max(rounds))
    y_grid(axes)
    headline(axes, "RMS distance to the average model after an exchange, in % of its norm (log scale)")
    end_labels(axes, [(max(rounds), y, words, colour) for _, y, words, colour in labels], gap=0.07)
    return figure


def _per_megabyte(rows: Sequence[Row], width: float) -> Figure:
    figure, axes = new_figure(0.9 + 0.36 * max(len(rows), 2), width)
    means = [float(row["uf1_per_mb"]) for row in rows]
    for place, (row, mean) in enumerate(zip(rows, means, strict=True)):
        axes.barh(place, mean, height=0.6, color=BLUE, alpha=0.85)
        end = mean
        if row["std"]:
            end = mean + float(row["std"])
            axes.plot([mean - float(row["std"]), end], [place, place], color=INK, linewidth=1.0)
        words = f"{mean:.3g}"
        if width > NARROW:
            words += f"  ({float(row['uf1']):.2f} for {float(row['mb_a_peer']):.3g} MB)"
        axes.annotate(
            words, xy=(end, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8, color=INK
        )
    axes.set_yticks(range(len(rows)), [short(row["series"], 26) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0, 1.02 * max(m + float(r["std"] or 0) for m, r in zip(means, rows, strict=True)) or 1.0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4 if width > NARROW else 2, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(axis="y", colors=RULE, labelcolor=MUTED)
    axes.spines["left"].set_visible(False)
    headline(axes, "UF1 of the average model a megabyte" if width > NARROW else "UF1 a megabyte")
    return figure


def _plain(value: float) -> str:
    return f"{value:g}"


DRAW: dict[str, Draw] = {
    "score-rounds": _score_by(_Axis("round", "round", _plain)),
    "score-mb": _score_by(_Axis("mb_a_peer", "MB sent a peer, on the wire", _plain)),
    "score-seconds": _score_by(_Axis("seconds", "seconds since the peers began", _plain)),
    "consensus-distance": _consensus,
    "score-per-mb": _per_megabyte,
    "mixing-rounds": mixing_by("round", "round"),
    "mixing-mb": mixing_by("mb_a_peer", "MB sent a peer, on the wire"),
}
"""Every figure by the name of its files."""

for _name, _draw in DRAW.items():
    figure_named(_name)(_draw)

"""A comparison's distances between the models after every exchange, measured and predicted."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import SettingPart, figure_named, in_setting
from p2pfl_me.report.line_styles import SET_UP, line_styles_of
from p2pfl_me.report.methods import EXACT, Setting, distances
from p2pfl_me.report.numbers import Row, points
from p2pfl_me.report.style import Label, curve, line_chart, new_figure, percent_log_axis, round_axis

DASHED = (0, (4, 1.8))


@in_setting(SettingPart.AGREEMENT)
def distance_picture(setting: Setting) -> Picture | None:
    """None where nothing but exact agreement was measured: it has no place on a log axis."""
    found = [(method.name, *each) for method in setting.methods for each in distances(method)]
    if not any(distance > EXACT for _, _, distance, _ in found):
        return None
    return Picture(
        "consensus-distance",
        "Distance between the models after every exchange, measured and predicted",
        "Lower is closer together. Thin and dashed: what the graph predicts of each exchange, from the distance "
        "measured just before it, when the differences point nowhere in particular. A thick line above its thin one: "
        "what is left lies along the graph's slow directions, exchanges were lost, or models did not travel whole and "
        "as they were (parts, compression, noise). Exact agreement has no place on a log axis.",
        "Line chart on a log axis of the consensus distance by round for every set-up, with predictions",
        ("kind", "series", "round", "distance", "predicted_distance"),
        tuple((SET_UP, *each) for each in found),
    )


@figure_named("consensus-distance")
def distance_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    figure, axes = new_figure(3.9, width)
    labels: list[Label] = []
    for series, line in line_styles_of(rows).items():
        for column, dash, weight, strength in (
            ("distance", line.dash, 2.0, 1.0),
            ("predicted_distance", DASHED, 1.1, 0.75),
        ):
            if own := [each for each in points(rows, "round", column, series=series) if each[1] > EXACT]:
                name = f"{series}, predicted" if column == "predicted_distance" else series
                marks = line.marks(len(own)) if column == "distance" else {}
                look = {"color": line.colour, "linestyle": dash, "linewidth": weight, "alpha": strength, **marks}
                curve(axes, own, name, "round {x:g}: {y:.3%}", **look)
                if column == "distance":
                    labels.append((own[-1][1], line.label, line.colour))
    round_axis(axes, rows)
    words = "RMS distance to the average model after an exchange, in % of its norm (log scale)"
    line_chart(axes, words, labels, _percents, gap=0.07)
    return figure


def _percents(axes: Axes) -> None:
    percent_log_axis(axes)
    low, high = axes.get_ylim()
    if high / low < 15:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0), numticks=12))

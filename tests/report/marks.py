"""What a figure shows, read from its axes: lines, labels, points; and two set-ups to draw."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from p2pfl_me.report.document import Picture, settled
from p2pfl_me.report.methods import Method, Setting
from p2pfl_me.report.numbers import Row, csv_rows
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import NARROW, WIDTH, house_style

SMALL = {"count": 4, "rounds": 3, "classes": ("a", "b", "c"), "support": (5, 4, 3)}


WIDTHS = (WIDTH, NARROW)


def setting(runs: dict[str, tuple[Run, ...]], goal: float | None = None) -> Setting:
    return Setting("", tuple(Method(name, own) for name, own in runs.items()), goal)


def shown(picture: Picture, width: float) -> tuple[Axes, list[Row]]:
    with house_style():
        return picture.figure(width).axes[0], csv_rows(picture.numbers())


def points(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


def lines_of(axes: Axes, colour: str, *, above: float = 0.0, below: float = 99.0) -> list[Line2D]:
    """Lines with a length, of a colour and a weight (thin ones are peers, thick ones means)."""
    return [
        line
        for line in axes.get_lines()
        if to_hex(line.get_color()) == colour and above <= line.get_linewidth() < below and len(line.get_xdata()) > 1
    ]


def words_of(axes: Axes) -> dict[str, Annotation]:
    return {text.get_text(): text for text in axes.texts if isinstance(text, Annotation)}


def column(rows: Sequence[Row], x: str, y: str, **where: str) -> list[tuple[float, float]]:
    own = [row for row in rows if all(row[key] == value for key, value in where.items())]
    return [(float(row[x]), float(row[y])) for row in own if row[x] and row[y]]


def in_order(axes: Axes, ends: dict[str, float]) -> None:
    """Labels that were moved apart stand in the order of what they name."""
    heights = {words: words_of(axes)[words].xy[1] for words in ends}
    for lower, upper in pairwise(sorted(ends, key=lambda words: ends[words])):
        assert heights[lower] < heights[upper] or ends[lower] == ends[upper], (lower, upper)


def cut_off(figure: Figure) -> float:
    """Inches by which what is drawn reaches out of a figure, ticks beyond its axes, which are not, left out."""
    box = figure.get_tightbbox(FigureCanvasAgg(settled(figure)).get_renderer())
    width, height = figure.get_size_inches()
    return float(max(0.0, -box.x0, -box.y0, box.x1 - width, box.y1 - height))

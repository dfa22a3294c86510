"""The look of all figures: colours, type, axes, direct labels. No data, no files.

Hues are after Okabe and Ito's palette (distinct under the common kinds of colour blindness), darkened until letters in
them have a contrast of 4.5 on white. Every series also has its own label at its end and, where it can, its own dashes,
so that colour never carries meaning alone.
"""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.numbers import Row
from p2pfl_me.report.short_names import one_line, told_apart

INK = "#1b1f24"
MUTED = "#68707a"
RULE = "#dde1e6"
PAPER = "#ffffff"
BLUE = "#0072b2"
VERMILION = "#c05200"
GREEN = "#00855f"
PURPLE = "#a9558c"
AMBER = "#946200"
TEAL = "#0f7d94"
EDGE = "#b3bac3"
PLAIN = "#dcebf5"
"""A graph's edges, and its peers without a score."""

THEMED = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    BLUE: "blue",
    VERMILION: "vermilion",
    GREEN: "green",
    PURPLE: "purple",
    AMBER: "amber",
    TEAL: "teal",
    EDGE: "edge",
    PLAIN: "plain",
}
"""Colour -> name of the page's CSS variable, so that a figure follows the light or dark theme."""

ARM_COLOURS = {
    Arm.ISOLATED: VERMILION,
    Arm.GOSSIP: BLUE,
    Arm.AVERAGE: INK,
    Arm.FEDAVG: PURPLE,
    Arm.POOLED: GREEN,
    Arm.ISOLATED_OWN_PEER: VERMILION,
    Arm.GOSSIP_OWN_PEER: BLUE,
}
TIP = "tip: "
"""Begins the id of an artist that is nothing but words for who points at its place."""
SERIES = "series-"
"""Begins the id of all that a page shows and hides together: lines of one name, their labels, dots and bars.

Several parts of a figure bear one such id; on a page, where ids are unique, it is an attribute (`svg.themed`).
"""
MOST_BESIDE, KEY_LINE = 20, 0.165
"""Letters of a name that still stand beside its line in a narrow figure, and the inches of a line of its key."""
_KEY: dict[str, Any] = {
    "frameon": False,
    "fontsize": 8.5,
    "handlelength": 0,
    "handletextpad": 0,
    "borderpad": 0,
    "labelspacing": 0.35,
}
LEAST_SCORES = 0.1
"""What an axis of scores spans at least."""
Label = tuple[float, str, str]
"""Where a line ends, its name and its colour."""
Dash = str | tuple[int, tuple[float, ...]]
"""How a line is broken, as matplotlib takes it."""
WIDTH = 6.0
NARROW = 3.8
"""Widths of figures in inches: on the page and in files, and on a phone."""


BACKGROUND = {"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0.8}
"""Behind a label inside the axes, so that lines pass behind it."""

_SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 8.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "text.color": INK,
    # Names come from contracts that others wrote: a dollar sign in one is a dollar sign.
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "xtick.major.width": 0.7,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "p2pme",
    "savefig.facecolor": "auto",
}


@contextmanager
def house_style() -> Iterator[None]:
    """All drawing and saving of the report happens inside; it leaves matplotlib's settings as they were."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update(_SETTINGS)
        yield


@contextmanager
def other_letters() -> Iterator[None]:
    """Names may hold letters that matplotlib's own font lacks and the page's fonts draw."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def new_figure(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure of the page's width (inches) with one axes, bound to no window system."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_subplot()
    return figure, axes


def y_grid(axes: Axes) -> None:
    """Horizontal rules instead of a y axis."""
    axes.grid(True, axis="y")
    axes.spines["left"].set_visible(False)


def score_axis(axes: Axes) -> None:
    """A y axis for scores or losses: not below 0, where none is, and a tenth long at least.

    .030 and .037 must not look like night and day.
    """
    low, high = axes.get_ylim()
    missing = max(LEAST_SCORES - (high - low), 0.0)
    low, high = low - missing / 2, high + missing / 2
    if low < 0:
        high = max(high, LEAST_SCORES)
        low = -0.05 * high  # the margin below a line of zeros
    axes.set_ylim(low, high)


def round_axis(axes: Axes, rows: Sequence[Row]) -> None:
    """Whole rounds, as far as those of `rows`; labels stand to the right of the axes, where the layout makes room."""
    rounds = [int(row["round"]) for row in rows if row["round"]]
    first, last = min(rounds, default=1), max(rounds, default=1)
    extent = max(last - first, 1)
    axes.set_xlim(first - 0.02 * extent, last + 0.01 * extent)
    ticks = MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]).tick_values(first, last)
    axes.set_xticks([tick for tick in ticks if first <= tick <= last])
    axes.spines["bottom"].set_bounds(first, last)
    axes.set_xlabel("round")


def show_single_points(axes: Axes) -> None:
    """Mark the lines of one point: a run of one round has them, and a line without length is not seen."""
    for line in axes.get_lines():
        if np.size(line.get_xdata()) == 1 and line.get_marker() == "None":
            line.set_marker("o")
            line.set_markersize(2 + 1.4 * line.get_linewidth())


def headline(axes: Axes, words: str) -> None:
    """What the y axis shows, written above it where the eye begins, instead of turned by 90 degrees."""
    figure = axes.get_figure(root=True)
    letters = int(14.7 * ((figure.get_figwidth() if figure else WIDTH) - 0.45))  # it begins at the axis
    axes.set_title(textwrap.fill(words, letters), loc="left", color=MUTED, pad=9)


def percent_log_axis(axes: Axes) -> None:
    """A log axis of shares, labelled in per cent at 1, 2, 5 a decade, or at whole decades when it spans many."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high / low < 4:
        centre = (low * high) ** 0.5
        low, high = centre / 2, centre * 2
        axes.set_ylim(low, high)
    steps = (1.0, 2.0, 5.0) if high / low < 150 else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    # Plain text, as `text.parse_math` is off.
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.3g} %"))


def line_chart(axes: Axes, words: str, labels: Sequence[Label], up: Callable[[Axes], None], gap: float = 0.062) -> None:
    """What all line charts have, once their lines are drawn and x has its limits: single points that are seen, the axis
    `up`, rules, a headline of `words`, and names at the lines' ends (see `end_labels`)."""
    show_single_points(axes)
    up(axes)
    y_grid(axes)
    headline(axes, words)
    end_labels(axes, labels, gap)


def end_labels(axes: Axes, labels: Sequence[Label], gap: float = 0.062) -> None:
    """Name lines at the right border. `labels` holds (y, words, colour); they are moved apart, never overlap.

    `gap` is the least distance of two labels as a share of the axes' height. Call it last: it uses the limits. Where
    long names would leave the lines of a narrow figure no room, numbers stand at the lines, and the names below it.
    """
    figure = axes.get_figure(root=True)
    narrow = figure is not None and figure.get_figwidth() <= NARROW
    if figure and narrow and max((len(words) for _, words, _ in labels), default=0) > MOST_BESIDE:
        shown = _numbered(figure, axes, labels)
    else:
        shown = _cut(axes, labels, 34)
    low, high = axes.get_ylim()
    to_share = axes.transScale + axes.transLimits
    heights = [float(to_share.transform((axes.get_xlim()[1], min(max(y, low), high)))[1]) for y, _, _ in labels]
    for (_, words, colour), said, height in zip(labels, shown, move_apart(heights, gap), strict=True):
        look = {"color": colour, "fontsize": 8.5, "bbox": BACKGROUND, "gid": _label_id(axes, words)}
        beside(axes, said, (1, height), "axes fraction", **look)


def _cut(axes: Axes, labels: Sequence[Label], length: int) -> list[str]:
    """The labels' words in little room: names are told apart, whatever stands before them."""
    named = [_named(axes, words) or one_line(words) for _, words, _ in labels]
    before = [one_line(words).removesuffix(name) for (_, words, _), name in zip(labels, named, strict=True)]
    cut = told_apart(named, length - max(map(len, before), default=0))
    return [f"{mark}{name}" for mark, name in zip(before, cut, strict=True)]


def _numbered(figure: Figure, axes: Axes, labels: Sequence[Label]) -> list[str]:
    """Each label's number, as the key below the figure explains it: one key for all panels, which grows with them."""
    own = _cut(axes, labels, int(14.7 * figure.get_figwidth()) - 6)
    key = {text.get_text().partition("  ")[2]: text for legend in figure.legends for text in legend.get_texts()}
    looks = {words: (text.get_color(), text.get_gid()) for words, text in key.items()}
    for said, (_, words, colour) in zip(own, labels, strict=True):
        looks.setdefault(said, (colour, _label_id(axes, words)))
    for legend in figure.legends:
        legend.remove()
    figure.set_figheight(figure.get_figheight() + KEY_LINE * (len(looks) - len(key)))
    legend = figure.legend(
        [Line2D([], [], linestyle="none") for _ in looks],
        [f"{number}  {said}" for number, said in enumerate(looks, 1)],
        loc="outside lower left",
        labelcolor=[colour for colour, _ in looks.values()],
        **_KEY,
    )
    for text, (_, belongs_to) in zip(legend.get_texts(), looks.values(), strict=True):
        text.set_gid(belongs_to)
    return [str(1 + list(looks).index(said)) for said in own]


def curve(axes: Axes, places: Sequence[tuple[float, float]], name: str, tip: str, **look: Any) -> None:
    """A line through `places` that tells each of them to who points at it: `tip` is a format of x and y.

    `name` is also that by which a page shows and hides it.
    """
    (line,) = axes.plot([x for x, _ in places], [y for _, y in places], **look)
    known = series_of(axes.get_figure(root=True))
    name = one_line(name)
    line.set_gid(f"{SERIES}{known.index(name) if name in known else len(known)}")
    line.set_label(name)
    for x, y in places:
        tell(axes, x, y, f"{name}, {tip.format(x=x, y=y)}", line.get_gid())


def belongs(axes: Axes, name: str) -> str | None:
    """The id of what is shown and hidden with the line that `curve` has drawn under this name; None without one."""
    known, name = series_of(axes.get_figure(root=True)), one_line(name)
    return f"{SERIES}{known.index(name)}" if name in known else None


def series_of(figure: Figure | None) -> tuple[str, ...]:
    """The names of all that `curve` has drawn in a figure, each once: the number in a line's id is its place here."""
    return tuple(dict.fromkeys(str(line.get_label()) for line in _series_lines(figure)))


def _series_lines(figure: Figure | None) -> list[Line2D]:
    every = [line for axes in (figure.axes if figure else ()) for line in axes.get_lines()]
    named = [line for line in every if str(line.get_gid()).startswith(SERIES)]
    return [line for line in named if not re.fullmatch(r"_child\d+", str(line.get_label()))]  # as matplotlib calls them


def _label_id(axes: Axes, words: str) -> str | None:
    """The id of words at the end of a line, which end with the line's name; None for others."""
    name = _named(axes, words)
    return belongs(axes, name) if name else None


def _named(axes: Axes, words: str) -> str:
    """The line's name with which words end; empty without one."""
    known = [name for name in series_of(axes.get_figure(root=True)) if one_line(words).endswith(name)]
    return max(known, key=len, default="")


def tell(axes: Axes, x: float, y: float, words: str, belongs_to: str | None = None) -> None:
    """What a page says to who points at a place; in files nothing is seen of it.

    `belongs_to` is the id of the line that it is hidden with.
    """
    axes.text(x, y, "", gid=f"{TIP}{one_line(words)}", label=belongs_to or "")


def beside(axes: Axes, words: str, place: tuple[float, float], coordinates: Any = "data", **look: Any) -> None:
    """Words a little to the right of a place."""
    ordinary = {"xytext": (7, 0), "textcoords": "offset points", "va": "center", "gid": _label_id(axes, words)}
    axes.annotate(words, xy=place, xycoords=coordinates, **{**ordinary, **look})


def bars(axes: Axes, values: Sequence[tuple[str, float, float, str]]) -> None:
    """Horizontal bars from the top down: name, length, where the words beside it begin, and these."""
    for place, (_, length, end, words) in enumerate(values):
        axes.barh(place, length, height=0.62, color=BLUE, alpha=0.85)
        beside(axes, words, (end, place), fontsize=8, color=INK, xytext=(5, 0))
    axes.set_yticks(range(len(values)), told_apart([name for name, *_ in values], 26))
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.tick_params(axis="y", colors=RULE, labelcolor=MUTED)
    axes.spines["left"].set_visible(False)


def few_ticks(axes: Axes, count: int) -> None:
    """At most so many round numbers along x."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=count, steps=[1, 2, 2.5, 5, 10]))


def move_apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights in [0, 1] at least `gap` apart, in the same order and as near to the given ones as that allows.

    Neighbours that are too close form a block around their mean; blocks that then touch are merged.
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    blocks: list[tuple[float, list[int]]] = []
    for index in order:
        members = [index]
        centre = _inside(heights[index], 0.0)
        while blocks and centre - blocks[-1][0] < gap * (len(members) + len(blocks[-1][1])) / 2:
            members = blocks.pop()[1] + members
            mean = sum(heights[member] for member in members) / len(members)
            centre = _inside(mean, gap * (len(members) - 1) / 2)
        blocks.append((centre, members))
    moved = [0.0] * len(heights)
    for centre, members in blocks:
        for place, index in enumerate(members):
            moved[index] = centre + gap * (place - (len(members) - 1) / 2)
    return moved


def _inside(centre: float, half: float) -> float:
    return min(max(centre, half), max(1 - half, half))

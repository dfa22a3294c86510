"""How a comparison's figures draw its set-ups and its target: by the same colour, dash and mark in all of them.

The colours are equally dark, so that letters in them can be read: in grey they are one, and dash and mark tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from p2pfl_me.report.numbers import Row, points
from p2pfl_me.report.style import AMBER, BLUE, GREEN, INK, PAPER, PURPLE, TEAL, VERMILION, Dash, Label, curve

SET_UP, TARGET = "set-up", "target"
"""Kinds of rows in the CSVs of such figures."""
DOTTED: Dash = (0, (1, 1.6))

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, AMBER, TEAL)
DASHES: tuple[tuple[Dash, str], ...] = (
    ("-", "— "),
    ((0, (5, 1.2, 1, 1.2)), "–· "),
    ((0, (1, 1)), "··· "),
    ((0, (7, 2)), "– – "),
)
"""How a line is drawn, and the same in letters before its label where lines differ in it."""
MARKS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"), ("X", "✖"))
"""Each colour's mark on lines, and the same as a letter, where lines of several colours are dashed alike."""
MOST_MARKS, STAGGERED = 6, 3
"""A line's marks, about; lines side by side have theirs at so many different places."""


def names_of(rows: Sequence[Row], kind: str) -> list[str]:
    return list(dict.fromkeys(row["series"] for row in rows if row["kind"] == kind))


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How one set-up's lines are drawn and named."""

    colour: str
    dash: Dash
    label: str
    mark: str = ""
    place: int = 0
    """Which of the lines it is."""

    def marks(self, points: int) -> dict[str, Any]:
        """How matplotlib is to mark a line of so many points, at least once; nothing where its dash is enough."""
        if not self.mark:
            return {}
        step = max(points // MOST_MARKS, 1)
        every = (self.place % STAGGERED * step // STAGGERED, step)
        white = {"markeredgecolor": PAPER, "markeredgewidth": 0.6}
        return {"marker": self.mark, "markersize": 5.5, "markevery": every, **white}


def line_styles_of(rows: Sequence[Row]) -> dict[str, LineStyle]:
    """The colour says which contract, the dash which varied value; where only one of them varies, both say it.

    No two set-ups look alike while there are pairs of a colour and a dash left: of more values than dashes, the next
    pair that is free.
    """
    names = names_of(rows, SET_UP)
    heads = list(dict.fromkeys(name.partition(", ")[0] for name in names))
    tails = list(dict.fromkeys(name.partition(", ")[2] for name in names))
    found: dict[str, tuple[int, int]] = {}
    pairs = [(colour, dash) for colour in range(len(COLOURS)) for dash in range(len(DASHES))]
    taken: set[tuple[int, int]] = set()
    for name in names:
        head, _, tail = name.partition(", ")
        colour, dash = heads.index(head), tails.index(tail)
        if len(heads) == 1 or len(tails) == 1:
            colour = dash = max(colour, dash)
        # After the last colour they begin anew, with the dashes one further on.
        colour, dash = colour % len(COLOURS), (dash + colour // len(COLOURS)) % len(DASHES)
        if (colour, dash) in taken:
            others = [(colour, other) for other in range(len(DASHES))]
            colour, dash = next((pair for pair in (*others, *pairs) if pair not in taken), (colour, dash))
        taken.add((colour, dash))
        found[name] = colour, dash
    return _told_apart(found)


def _told_apart(pairs: Mapping[str, tuple[int, int]]) -> dict[str, LineStyle]:
    """Lines of these colours and dashes, marked where dashes are not enough; labels say what they differ in."""
    marked = max(Counter(dash for _, dash in pairs.values()).values(), default=0) > 1
    dashed = len({dash for _, dash in pairs.values()}) > 1
    found = {}
    for place, (name, (colour, dash)) in enumerate(pairs.items()):
        style, letters = DASHES[dash]
        mark, letter = MARKS[colour] if marked else ("", "")
        before = f"{letter}{letters}" if dashed else f"{letter} " if marked else ""
        found[name] = LineStyle(COLOURS[colour], style, f"{before}{name}", mark, place)
    return found


def score_lines(axes: Axes, rows: Sequence[Row], column: str, tip: str, **where: str) -> list[Label]:
    """A line of each set-up's UF1 over `column`, of the rows whose cells are those of `where`."""
    labels = []
    for series, line in line_styles_of(rows).items():
        if own := points(rows, column, "uf1_mean", kind=SET_UP, series=series, **where):
            look = {"color": line.colour, "linestyle": line.dash, "linewidth": 2.0, "zorder": 3}
            curve(axes, own, series, tip, **look, **line.marks(len(own)))
            labels.append((own[-1][1], line.label, line.colour))
    return labels


def target_lines(axes: Axes, rows: Sequence[Row], **where: str) -> list[Label]:
    """A dotted line at the target, where the rows have one."""
    own = [row for row in rows if row["kind"] == TARGET and all(row[name] == cell for name, cell in where.items())]
    targets = [float(row["uf1_mean"]) for row in own]
    for target in targets:
        axes.axhline(target, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    return [(target, f"target {target:.2f}", INK) for target in targets]

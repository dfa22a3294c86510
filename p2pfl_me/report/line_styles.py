"""How a comparison's figures draw its set-ups and its target: by the same colour and dash in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from p2pfl_me.report.numbers import Row, points
from p2pfl_me.report.style import AMBER, BLUE, GREEN, INK, PURPLE, TEAL, VERMILION, Dash, Label, curve

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


def names_of(rows: Sequence[Row], kind: str) -> list[str]:
    return list(dict.fromkeys(row["series"] for row in rows if row["kind"] == kind))


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How one set-up's lines are drawn and named."""

    colour: str
    dash: Dash
    label: str


def line_styles_of(rows: Sequence[Row]) -> dict[str, LineStyle]:
    """The colour says which contract, the dash which varied value; where only one of them varies, both say it.

    No two set-ups look alike while there are pairs of a colour and a dash left: of more values than dashes, the next
    pair that is free.
    """
    names = names_of(rows, SET_UP)
    heads = list(dict.fromkeys(name.partition(", ")[0] for name in names))
    tails = list(dict.fromkeys(name.partition(", ")[2] for name in names))
    found: dict[str, LineStyle] = {}
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
        style, letters = DASHES[dash]
        found[name] = LineStyle(COLOURS[colour], style, f"{letters}{name}")
    if len({line.dash for line in found.values()}) == 1:
        return {name: LineStyle(line.colour, line.dash, name) for name, line in found.items()}
    return found


def score_lines(axes: Axes, rows: Sequence[Row], column: str, tip: str, **where: str) -> list[Label]:
    """A line of each set-up's UF1 over `column`, of the rows whose cells are those of `where`."""
    labels = []
    for series, line in line_styles_of(rows).items():
        if own := points(rows, column, "uf1_mean", kind=SET_UP, series=series, **where):
            curve(axes, own, series, tip, color=line.colour, linestyle=line.dash, linewidth=2.0, zorder=3)
            labels.append((own[-1][1], line.label, line.colour))
    return labels


def target_lines(axes: Axes, rows: Sequence[Row], **where: str) -> list[Label]:
    """A dotted line at the target, where the rows have one."""
    own = [row for row in rows if row["kind"] == TARGET and all(row[name] == cell for name, cell in where.items())]
    targets = [float(row["uf1_mean"]) for row in own]
    for target in targets:
        axes.axhline(target, color=INK, linewidth=0.8, linestyle=DOTTED, zorder=1)
    return [(target, f"target {target:.2f}", INK) for target in targets]

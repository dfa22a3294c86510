"""By which colour and dash a comparison's figures tell its set-ups apart: the same in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from p2pfl_me.report.numbers import Row
from p2pfl_me.report.style import AMBER, BLUE, GREEN, PURPLE, TEAL, VERMILION, Dash

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


def line_styles_of(rows: Sequence[Row], kind: str) -> dict[str, LineStyle]:
    """The colour says which contract, the dash which varied value; where only one of them varies, both say it."""
    names = names_of(rows, kind)
    heads = list(dict.fromkeys(name.partition(", ")[0] for name in names))
    tails = list(dict.fromkeys(name.partition(", ")[2] for name in names))
    found = {}
    for name in names:
        head, _, tail = name.partition(", ")
        colour, dash = heads.index(head), tails.index(tail)
        if len(heads) == 1 or len(tails) == 1:
            colour = dash = max(colour, dash)
        # After the last colour they begin anew, with the dashes one further on.
        style, letters = DASHES[(dash + colour // len(COLOURS)) % len(DASHES)]
        found[name] = LineStyle(COLOURS[colour % len(COLOURS)], style, f"{letters}{name}")
    if len({line.dash for line in found.values()}) == 1:
        return {name: LineStyle(line.colour, line.dash, name) for name, line in found.items()}
    return found

"""The curves figure: score by round of every peer, with mean, worst and best, baselines and the average model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import RunPart, figure_named, in_run
from p2pfl_me.report.numbers import Cell, Row, points
from p2pfl_me.report.results import part_of, score_curves
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import (
    ARM_COLOURS,
    BLUE,
    INK,
    PAPER,
    Dash,
    Label,
    curve,
    line_chart,
    new_figure,
    round_axis,
    score_axis,
)

PEER, MEAN, AVERAGE = "gossip", "gossip mean", "average model"


@dataclass(frozen=True, slots=True)
class _Line:
    """How a series without peers is drawn and named."""

    colour: str
    dash: Dash
    words: str
    weight: float = 1.6
    alone: str = ""
    """What it is called where there is one peer, if not the same."""


_LINES = {
    "isolated mean": _Line(ARM_COLOURS[Arm.ISOLATED], (0, (4, 1.6)), "isolated, mean", alone="isolated"),
    "pooled": _Line(ARM_COLOURS[Arm.POOLED], "-", "pooled"),
    "fedavg": _Line(ARM_COLOURS[Arm.FEDAVG], (0, (1, 1.2)), "FedAvg"),
    MEAN: _Line(BLUE, "-", "gossip, mean peer", 2.6, "the peer"),
}
_DIAMOND = {
    "color": INK,
    "marker": "D",
    "markersize": 5.5,
    "markeredgecolor": PAPER,
    "markeredgewidth": 0.8,
    "linestyle": "none",
    "clip_on": False,
    "zorder": 5,
}
"""How the average model's only score is drawn."""


@in_run(RunPart.LEARNING)
def score_picture(run: Run) -> Picture | None:
    """UF1 by round; training loss where no clips were kept for testing; None without a finished round."""
    part = part_of(run)
    metric = "uf1" if part else "loss"
    rows = tuple(_rows(run, metric))
    if not rows:
        return None
    if part is None:
        title, reading = (
            "Training loss by round",
            "Each thin line is a peer's mean training loss of the round. It tells that the peers learn their own "
            "clips, not how well they do on others'.",
        )
    else:
        title, reading = (
            f"UF1 by round, on {part} clips",
            "Each thin line is one peer's own model after mixing; the thick line is their mean. Lines that draw "
            "together show peers agreeing."
            if len({row[1] for row in rows if row[0] == PEER}) > 1
            else f"The line is the model of {run.sole or 'the only peer that finished a round'}.",
        )
        if run.contract.peers.count > 1 and {"isolated mean", "pooled"} <= {row[0] for row in rows}:
            reading += (
                " The gap to the isolated peers is what gossip is worth, the gap to pooled training is what it costs "
                "to keep the clips at home."
            )
    return Picture(
        name="scores",
        title=title,
        reading=reading,
        alt=f"Line chart: {title}, every peer, their mean, and the baselines",
        header=("series", "peer", "round", metric),
        rows=rows,
    )


@figure_named("scores")
def scores_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    metric = next(name for name in reversed(rows[0]))
    figure, axes = new_figure(3.7, width)
    labels: list[Label] = []
    tip = f"round {{x:g}}: {metric.replace('uf1', 'UF1')} {{y:.3f}}"
    finals: dict[str, float] = {}
    ids = list(dict.fromkeys(row["peer"] for row in rows if row["series"] == PEER))
    for peer in ids:
        own = points(rows, "round", metric, series=PEER, peer=peer)
        finals[peer] = own[-1][1]
        if len(ids) > 1:  # of a single one the mean is the line
            curve(axes, own, f"peer {peer}", tip, color=BLUE, linewidth=0.8, alpha=0.3)
    for series, line in _LINES.items():
        if own := points(rows, "round", metric, series=series):
            name = line.words if len(finals) > 1 else line.alone or line.words
            curve(axes, own, name, tip, color=line.colour, linewidth=line.weight, linestyle=line.dash)
            labels.append((own[-1][1], name, line.colour))
    for place in points(rows, "round", metric, series=AVERAGE):
        curve(axes, [place], AVERAGE, tip, **_DIAMOND)
        labels.append((place[1], AVERAGE, INK))
    if len(set(finals.values())) > 1:
        highest, lowest = max(finals, key=lambda p: finals[p]), min(finals, key=lambda p: finals[p])
        words = ("highest", "lowest") if metric == "loss" else ("best", "worst")
        labels += [
            (finals[peer], f"{word}, peer {peer}", BLUE) for word, peer in zip(words, (highest, lowest), strict=True)
        ]
    round_axis(axes, rows)
    line_chart(axes, "UF1" if metric == "uf1" else "mean training loss", labels, score_axis)
    return figure


def _rows(run: Run, metric: str) -> Iterator[tuple[Cell, ...]]:
    average = (Arm.AVERAGE,) if run.contract.peers.count > 1 else ()
    arms = (Arm.GOSSIP, *average, Arm.ISOLATED, Arm.POOLED, Arm.FEDAVG)
    for arm in arms if metric == "uf1" else arms[:1]:
        curves = score_curves(run, metric, arm)
        of_peers = arm in {Arm.GOSSIP, Arm.ISOLATED}
        name = AVERAGE if arm is Arm.AVERAGE else arm.value
        yield from ((name, peer if of_peers else None, *cell) for peer, *cell in curves.cells())
        if of_peers:
            yield from (
                (f"{name} mean", None, *cell) for cell in zip(curves.rounds, curves.mean().tolist(), strict=True)
            )

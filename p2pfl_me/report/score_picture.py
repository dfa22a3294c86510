"""The curves figure: score by round of every peer, with mean, worst and best, baselines and the average model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.document import Picture, figure_named
from p2pfl_me.report.numbers import Cell, Row
from p2pfl_me.report.results import PeerCurves, curve_points, final_scores, isolated_curves, part_of, score_curves
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import (
    ARM_COLOURS,
    BLUE,
    INK,
    PAPER,
    Dash,
    end_labels,
    headline,
    new_figure,
    round_axis,
    show_single_points,
    y_grid,
)

PEER, MEAN, AVERAGE = "gossip", "gossip mean", "average model"


@dataclass(frozen=True, slots=True)
class _Line:
    """How a series without peers is drawn and named."""

    colour: str
    dash: Dash
    words: str


_BASELINES = {
    "isolated mean": _Line(ARM_COLOURS[Arm.ISOLATED], (0, (4, 1.6)), "isolated, mean"),
    "pooled": _Line(ARM_COLOURS[Arm.POOLED], "-", "pooled"),
    "fedavg": _Line(ARM_COLOURS[Arm.FEDAVG], (0, (1, 1.2)), "FedAvg"),
}


def score_picture(run: Run) -> Picture | None:
    """UF1 by round; training loss where no clips were kept for testing; None without a finished round."""
    part = part_of(run)
    metric = "uf1" if part else "loss"
    curves = score_curves(run, metric)
    if not curves.rounds:
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
            "together show peers agreeing.",
        )
        if run.baselines:
            reading += (
                " The gap to the isolated peers is what gossip is worth, the gap to pooled training is what it costs "
                "to keep the clips at home."
            )
    return Picture(
        name="scores",
        title=title,
        reading=reading,
        alt=f"Line chart: {title}, every peer, their mean, and the baselines",
        draw=scores_figure,
        header=("series", "peer", "round", metric),
        rows=tuple(_rows(run, curves, metric)),
    )


@figure_named("scores")
def scores_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    metric = next(name for name in reversed(rows[0]))
    figure, axes = new_figure(3.7, width)
    labels: list[tuple[float, str, str]] = []
    finals: dict[str, float] = {}
    for peer in dict.fromkeys(row["peer"] for row in rows if row["series"] == PEER):
        x, y = _points([row for row in rows if row["series"] == PEER and row["peer"] == peer], metric)
        axes.plot(x, y, color=BLUE, linewidth=0.8, alpha=0.3)
        finals[peer] = y[-1]
    for series, line in _BASELINES.items():
        x, y = _points([row for row in rows if row["series"] == series], metric)
        if x:
            axes.plot(x, y, color=line.colour, linewidth=1.6, linestyle=line.dash)
            labels.append((y[-1], line.words, line.colour))
    x, y = _points([row for row in rows if row["series"] == MEAN], metric)
    axes.plot(x, y, color=BLUE, linewidth=2.6)
    labels.append((y[-1], "gossip, mean peer" if len(finals) > 1 else "the peer", BLUE))
    for row in rows:
        if row["series"] == AVERAGE:
            _diamond(axes, float(row["round"]), float(row[metric]))
            labels.append((float(row[metric]), "average model", INK))
    if len(finals) > 1:
        highest, lowest = max(finals, key=lambda p: finals[p]), min(finals, key=lambda p: finals[p])
        words = ("highest", "lowest") if metric == "loss" else ("best", "worst")
        labels += [
            (finals[peer], f"{word}, peer {peer}", BLUE) for word, peer in zip(words, (highest, lowest), strict=True)
        ]
    show_single_points(axes)
    low, high = axes.get_ylim()
    if low < 0:  # neither UF1 nor a loss is ever negative, though the margin below a line of zeros is
        axes.set_ylim(-0.05 * high, high)
    rounds = [int(row["round"]) for row in rows]
    round_axis(axes, min(rounds), max(rounds))
    y_grid(axes)
    headline(axes, "UF1" if metric == "uf1" else "mean training loss")
    end_labels(axes, [(max(rounds), y, words, colour) for y, words, colour in labels])
    return figure


def _points(rows: Sequence[Row], metric: str) -> tuple[list[int], list[float]]:
    return [int(row["round"]) for row in rows], [float(row[metric]) for row in rows]


def _diamond(axes: Axes, x: float, y: float) -> None:
    axes.plot(
        [x],
        [y],
        marker="D",
        markersize=5.5,
        color=INK,
        markeredgecolor=PAPER,
        markeredgewidth=0.8,
        linestyle="none",
        clip_on=False,
        zorder=5,
    )


def _rows(run: Run, curves: PeerCurves, metric: str) -> list[tuple[Cell, ...]]:
    rows = [*_peer_rows(PEER, curves), *_mean_rows(MEAN, curves)]
    if metric != "uf1":
        return rows
    average = final_scores(run, Arm.AVERAGE, metric).get(-1)
    if average is not None:
        rows.append((AVERAGE, None, curves.rounds[-1], average))
    alone = isolated_curves(run, metric)
    rows += [*_peer_rows("isolated", alone), *_mean_rows("isolated mean", alone)]
    for name, curve in (("pooled", run.baselines.pooled), ("fedavg", run.baselines.fedavg)):
        rows += [(name, None, index, value) for index, value in curve_points(curve, metric)]
    return rows


def _mean_rows(name: str, curves: PeerCurves) -> list[tuple[Cell, ...]]:
    return [
        (name, None, index, float(value))
        for index, value in zip(curves.rounds, curves.mean(), strict=True)
        if np.isfinite(value)
    ]


def _peer_rows(name: str, curves: PeerCurves) -> list[tuple[Cell, ...]]:
    return [
        (name, peer, index, float(curves.values[row, column]))
        for column, peer in enumerate(curves.peers)
        for row, index in enumerate(curves.rounds)
        if np.isfinite(curves.values[row, column])
    ]

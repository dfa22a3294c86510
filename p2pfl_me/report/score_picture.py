"""The curves figure: score by round of every peer, with mean, worst and best, baselines and the average model."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from p2pfl_me.report.document import Cell, Picture
from p2pfl_me.report.results import (
    METRICS,
    Arm,
    PeerCurves,
    curve_points,
    final_scores,
    isolated_curves,
    part_of,
    score_curves,
)
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import (
    ARM_COLOURS,
    BLUE,
    INK,
    NARROW,
    PAPER,
    WIDTH,
    end_labels,
    headline,
    new_figure,
    round_axis,
    show_single_points,
    y_grid,
)

Label = tuple[float, float, str, str]


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
            "together show peers agreeing; the gap to the isolated peers is what gossip is worth, the gap to pooled "
            "training is what it costs to keep the clips at home.",
        )
    return Picture(
        name="scores",
        title=title,
        reading=reading,
        alt=f"Line chart: {title}, every peer, their mean, and the baselines",
        figure=_draw(run, curves, metric, WIDTH),
        narrow=_draw(run, curves, metric, NARROW),
        header=("series", "peer", "round", metric),
        rows=tuple(_rows(run, curves, metric)),
    )


def _draw(run: Run, curves: PeerCurves, metric: str, width: float) -> Figure:
    figure, axes = new_figure(3.7, width)
    labels: list[Label] = []
    for column in range(len(curves.peers)):
        known = np.isfinite(curves.values[:, column])
        axes.plot(np.array(curves.rounds)[known], curves.values[known, column], color=BLUE, linewidth=0.8, alpha=0.3)
    mean = curves.mean()
    many = len(curves.peers) > 1
    if metric == "uf1":
        labels += _baselines(axes, run, metric)
    axes.plot(curves.rounds, mean, color=BLUE, linewidth=2.6)
    labels.append((curves.rounds[-1], float(mean[-1]), "gossip, mean peer" if many else "the peer", BLUE))
    average = final_scores(run, Arm.AVERAGE, metric).get(-1)
    if average is not None and metric == "uf1":
        axes.plot(
            [curves.rounds[-1]],
            [average],
            marker="D",
            markersize=5.5,
            color=INK,
            markeredgecolor=PAPER,
            markeredgewidth=0.8,
            linestyle="none",
            clip_on=False,
            zorder=5,
        )
        labels.append((curves.rounds[-1], average, "average model", INK))
    final = curves.final()
    if many and len(final) > 1:
        worst, best = min(final, key=lambda p: final[p]), max(final, key=lambda p: final[p])
        for peer, name in ((best, "best"), (worst, "worst")):
            word = {"best": "highest", "worst": "lowest"}[name] if metric == "loss" else name
            labels.append((curves.rounds[-1], final[peer], f"{word}, peer {peer}", BLUE))
    show_single_points(axes)
    _not_below_zero(axes)
    first, last = _extent(run, curves, metric)
    round_axis(axes, first, last)
    y_grid(axes)
    headline(axes, METRICS.get(metric, "mean training loss"))
    end_labels(axes, [(last, y, words, colour) for _, y, words, colour in labels])
    return figure


def _not_below_zero(axes: Axes) -> None:
    """Neither UF1 nor a loss is ever negative, though the margin below a line of zeros is."""
    low, high = axes.get_ylim()
    if low < 0:
        axes.set_ylim(-0.05 * high, high)


def _baselines(axes: Axes, run: Run, metric: str) -> list[Label]:
    labels: list[Label] = []
    alone = isolated_curves(run, metric)
    if alone.rounds:
        mean = alone.mean()
        axes.plot(alone.rounds, mean, color=ARM_COLOURS[Arm.ISOLATED], linewidth=1.6, linestyle=(0, (4, 1.6)))
        labels.append((alone.rounds[-1], float(mean[-1]), "isolated, mean", ARM_COLOURS[Arm.ISOLATED]))
    for arm, curve, dashes, words in (
        (Arm.POOLED, run.baselines.pooled, "-", "pooled"),
        (Arm.FEDAVG, run.baselines.fedavg, (0, (1, 1.2)), "FedAvg"),
    ):
        points = curve_points(curve, metric)
        if points:
            axes.plot(*zip(*points, strict=True), color=ARM_COLOURS[arm], linewidth=1.6, linestyle=dashes)
            labels.append((points[-1][0], points[-1][1], words, ARM_COLOURS[arm]))
    return labels


def _extent(run: Run, curves: PeerCurves, metric: str) -> tuple[int, int]:
    rounds = [*curves.rounds]
    if metric == "uf1":
        rounds += [*isolated_curves(run, metric).rounds]
        rounds += [index for index, _ in (*run.baselines.pooled, *run.baselines.fedavg)]
    return min(rounds), max(rounds)


def _rows(run: Run, curves: PeerCurves, metric: str) -> list[tuple[Cell, ...]]:
    rows = _curve_rows("gossip", curves)
    rows += [
        ("gossip mean", None, index, float(value))
        for index, value in zip(curves.rounds, curves.mean(), strict=True)
        if np.isfinite(value)
    ]
    if metric != "uf1":
        return rows
    average = final_scores(run, Arm.AVERAGE, metric).get(-1)
    if average is not None:
        rows.append(("average model", None, curves.rounds[-1], average))
    rows += _curve_rows("isolated", isolated_curves(run, metric))
    for name, curve in (("pooled", run.baselines.pooled), ("fedavg", run.baselines.fedavg)):
        rows += [(name, None, index, value) for index, value in curve_points(curve, metric)]
    return rows


def _curve_rows(name: str, curves: PeerCurves) -> list[tuple[Cell, ...]]:
    return [
        (name, peer, index, float(curves.values[row, column]))
        for column, peer in enumerate(curves.peers)
        for row, index in enumerate(curves.rounds)
        if np.isfinite(curves.values[row, column])
    ]

"""The figure of the triple: each arm's UF1 with its interval, and every model behind it as a dot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from p2pfl_me.evaluate.arms import Arm
from p2pfl_me.evaluate.results import ArmScore, Results
from p2pfl_me.evaluate.statistics import by_model
from p2pfl_me.report.document import Cell, Picture
from p2pfl_me.report.style import BLUE, GREEN, INK, MUTED, NARROW, RULE, VERMILION, WIDTH, headline

COLOURS = {
    Arm.ISOLATED: VERMILION,
    Arm.ISOLATED_HOME: VERMILION,
    Arm.GOSSIP: BLUE,
    Arm.GOSSIP_HOME: BLUE,
    Arm.AVERAGE: INK,
    Arm.POOLED: GREEN,
}
_Row = tuple[Arm, ArmScore, list[float]]


def triple_picture(results: Results) -> Picture:
    """UF1 by arm."""
    rows: list[_Row] = []
    for arm in results.arms:
        models = [float(value) for counts in results.counts(arm) for value in by_model(counts) if np.isfinite(value)]
        if (score := results.score(arm, "uf1")) is not None:
            rows.append((arm, score, models))
    chance = results.chance()
    header = ("arm", "what", "uf1")
    table: list[tuple[Cell, ...]] = [("always the commonest class", "mean", chance)]
    for arm, score, models in rows:
        table += [(arm.value, "mean", score.mean), (arm.value, "low", score.interval.low)]
        table += [(arm.value, "high", score.interval.high), *((arm.value, "model", value) for value in models)]
    return Picture(
        name="triple",
        title="What sharing is worth",
        reading=(
            "Bars are 95 % intervals over subjects, large dots means, small ones each model under each seed. "
            "The dotted line is what always naming the commonest class gives."
        ),
        alt="UF1 of isolated, gossip and pooled models with intervals",
        figure=_draw(rows, chance, WIDTH),
        narrow=_draw(rows, chance, NARROW),
        header=header,
        rows=tuple(table),
    )


def _draw(rows: Sequence[_Row], chance: float, width: float) -> Figure:
    figure = Figure(figsize=(width, 0.9 + 0.42 * len(rows)))
    axes = figure.add_subplot()
    for place, (arm, score, models) in enumerate(rows):
        colour = COLOURS[arm]
        low, high = score.interval.low, score.interval.high
        axes.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.28, zorder=1)
        axes.plot(models, [place] * len(models), "o", color=colour, markersize=2.6, alpha=0.45, zorder=2)
        axes.plot([score.mean], [place], "o", color=colour, markersize=6.5, zorder=3)
        axes.annotate(
            f"{score.mean:.3f}",
            xy=(max([high, *models]), place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK,
        )
    axes.axvline(chance, color=MUTED, linestyle=(0, (1, 2)), linewidth=1, zorder=0)
    words = [arm.words if width > NARROW else arm.words.replace(", ", ",\n") for arm, _, _ in rows]
    axes.set_yticks(range(len(rows)), words)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    tops = [max([score.interval.high, *models]) for _, score, models in rows]
    lows = [min([score.interval.low, chance, *models]) for _, score, models in rows]
    axes.set_xlim(max(min(lows) - 0.03, -0.01), min(max(tops) + 0.08, 1.06))
    axes.tick_params(axis="y", colors=RULE, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    headline(axes, "UF1, all folds pooled")
    return figure

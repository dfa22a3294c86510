"""The headline figure: every way of training on one line of scores, a dot a model, a bar for the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from p2pfl_me.report.arms import Arm
from p2pfl_me.report.figures import figure_named
from p2pfl_me.report.numbers import Cell, Row
from p2pfl_me.report.style import ARM_COLOURS, BACKGROUND, INK, MUTED, NARROW, PAPER, RULE, beside, new_figure, tell

HEADER = ("arm", "what", "seed", "peer", "uf1")
CHANCE = "commonest class"


@dataclass(frozen=True, slots=True)
class ArmRow:
    """What one line of the figure shows: `models` as (seed, peer or None, score), and the `mean` in words beside it."""

    arm: Arm
    mean: float
    models: tuple[tuple[int, int | None, float], ...]
    std: float | None = None
    low: float | None = None
    high: float | None = None


def arms_rows(arms: Sequence[ArmRow], chance: float | None) -> tuple[tuple[Cell, ...], ...]:
    """The figure's CSV: a row a model, then mean, deviation over seeds and interval of each arm."""
    rows: list[tuple[Cell, ...]] = []
    for each in arms:
        rows += [(each.arm.value, "model", seed, peer, value) for seed, peer, value in each.models]
        for what, value in (("mean", each.mean), ("std", each.std), ("low", each.low), ("high", each.high)):
            if value is not None:
                rows.append((each.arm.value, what, None, None, value))
    if chance is not None:
        rows.append((CHANCE, "mean", None, None, chance))
    return tuple(rows)


@figure_named("result", "triple")
def arms_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    arms = [Arm(name) for name in dict.fromkeys(row["arm"] for row in rows) if name != CHANCE]
    alone = len({row["peer"] for row in rows if row["arm"] == Arm.GOSSIP and row["what"] == "model"} - {""}) == 1
    names = {arm: arm.of(alone=alone) for arm in arms}
    figure, axes = new_figure(0.75 + (0.5 if width > NARROW else 0.62) * len(arms), width)
    for place, arm in enumerate(arms):
        own = [row for row in rows if row["arm"] == arm.value]
        _arm_line(axes, arm, names[arm], len(arms) - 1 - place, own)
    values = [float(row["uf1"]) for row in rows if row["what"] != "std"]
    low, high = min(values), max(values)
    for row in rows:
        if row["arm"] == CHANCE:
            _chance_line(axes, float(row["uf1"]), (low + high) / 2)
    pad = max(0.04 * (high - low), 0.01)
    left, right = max(low - pad, 0.0) if low > pad else -pad, min(high + pad, 1.0 + pad)
    axes.set_xlim(left, right)
    # A narrow range needs many digits a label, so there are few; beyond 0 and 1 there is room for dots, but no score.
    ticks = MaxNLocator(nbins=5 if width > NARROW else 4, steps=[1, 2, 5, 10]).tick_values(left, right)
    axes.set_xticks([tick for tick in ticks if max(left, 0.0) <= tick <= min(right, 1.0)])
    _names(axes, list(names.values()), width)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("UF1")
    return figure


def _arm_line(axes: Axes, arm: Arm, name: str, y: int, rows: Sequence[Row]) -> None:
    colour = ARM_COLOURS[arm]
    models = np.array([float(row["uf1"]) for row in rows if row["what"] == "model"])
    known = {row["what"]: float(row["uf1"]) for row in rows if row["what"] != "model"}
    axes.axhline(y, color=RULE, linewidth=0.7, zorder=0)
    if "low" in known and "high" in known:
        axes.plot([known["low"], known["high"]], [y, y], color=colour, linewidth=5, alpha=0.28, zorder=1)
    axes.plot(
        models,
        y + _jitter(len(models)),
        linestyle="none",
        marker="o",
        markersize=5.5 if len(models) <= 40 else 3.0,
        markerfacecolor=colour,
        markeredgecolor=PAPER,
        markeredgewidth=0.6,
        alpha=0.55,
    )
    for row, height in zip([row for row in rows if row["what"] == "model"], _jitter(len(models)), strict=True):
        whose = ", ".join(f"{key} {row[key]}" for key in ("seed", "peer") if row[key])
        tell(axes, float(row["uf1"]), y + height, f"{name}, {whose}: UF1 {float(row['uf1']):.3f}")
    axes.plot([known["mean"]] * 2, [y - 0.27, y + 0.27], color=colour, linewidth=2.6)
    plus_minus = f" ± {known['std']:.3f}" if "std" in known else ""
    words = f"{known['mean']:.3f}{plus_minus}"
    beside(axes, words, (1, y), ("axes fraction", "data"), xytext=(8, 0), color=colour, fontweight="bold")


def _chance_line(axes: Axes, chance: float, middle: float) -> None:
    rightmost = chance > middle  # its words then stand to the left, else they would press the axes
    axes.axvline(chance, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)), zorder=0)
    look = {"xytext": (-4 if rightmost else 4, 1), "ha": "right" if rightmost else "left", "va": "bottom"}
    words = "always the most frequent class"
    beside(axes, words, (chance, 1), ("data", "axes fraction"), color=MUTED, fontsize=8, **look)


def _names(axes: Axes, names: Sequence[str], width: float) -> None:
    axes.set_ylim(-0.55, len(names) - (0.45 if width > NARROW else 0.25))
    if width > NARROW:
        axes.set_yticks(range(len(names)), list(reversed(names)), color=INK, fontsize=9)
        return
    axes.set_yticks([])
    for place, name in enumerate(reversed(names)):
        axes.text(
            0,
            place + 0.3,
            name,
            transform=axes.get_yaxis_transform(),
            color=INK,
            fontsize=8.5,
            va="bottom",
            bbox=BACKGROUND,
        )


def _jitter(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A fixed small zigzag, so that equal scores do not hide each other."""
    return np.zeros(1) if count == 1 else 0.16 * (np.arange(count) % 5 - 2.0) / 2

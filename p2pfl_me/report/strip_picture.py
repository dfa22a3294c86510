"""The headline figure: every way of training on one line of scores, a dot a peer, a bar for the mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from p2pfl_me.report.document import Picture
from p2pfl_me.report.results import METRICS, Arm, final_scores, majority_uf1, mean_confusion, over_seeds
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import ARM_COLOURS, BACKGROUND, INK, MUTED, NARROW, PAPER, RULE, WIDTH, new_figure

ORDER = (Arm.ISOLATED, Arm.GOSSIP, Arm.AVERAGE, Arm.FEDAVG, Arm.POOLED)


def strip_picture(runs: Sequence[Run], metric: str = "uf1") -> Picture | None:
    """Final scores of all arms over the seeds of one group; None without scores."""
    rows = tuple(
        (arm.value, run.seed, peer if peer >= 0 else None, value)
        for arm in ORDER
        for run in runs
        for peer, value in sorted(final_scores(run, arm, metric).items())
    )
    if not rows:
        return None
    label = METRICS[metric]
    seeds = "" if len(runs) == 1 else f", over {len(runs)} seeds"
    return Picture(
        name="result",
        title=f"{label} at the end{seeds}",
        reading=(
            "Each dot is one model, scored on clips of subjects that no peer trained on; the upright bar is the mean. "
            "Gossip is worth its traffic where its bar stands right of the isolated peers' and near pooled training, "
            "which would need all clips in one place."
        ),
        alt=f"Dot plot of final {label} by way of training",
        figure=_draw(runs, metric, WIDTH),
        narrow=_draw(runs, metric, NARROW),
        header=("arm", "seed", "peer", metric),
        rows=rows,
    )


def _draw(runs: Sequence[Run], metric: str, width: float) -> Figure:
    arms = [arm for arm in ORDER if any(final_scores(run, arm, metric) for run in runs)]
    figure, axes = new_figure(0.75 + (0.5 if width > NARROW else 0.62) * len(arms), width)
    low, high = 1.0, 0.0
    for place, arm in enumerate(arms):
        colour = ARM_COLOURS[arm]
        values = np.array([value for run in runs for value in final_scores(run, arm, metric).values()])
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        y = len(arms) - 1 - place
        axes.axhline(y, color=RULE, linewidth=0.7, zorder=0)
        axes.plot(
            values,
            y + _jitter(len(values)),
            linestyle="none",
            marker="o",
            markersize=5.5,
            markerfacecolor=colour,
            markeredgecolor=PAPER,
            markeredgewidth=0.6,
            alpha=0.55,
        )
        found = over_seeds(runs, arm, metric)
        if found is None:
            continue
        axes.plot([found.mean] * 2, [y - 0.27, y + 0.27], color=colour, linewidth=2.6)
        plus_minus = f" ± {found.std:.3f}" if found.std is not None else ""
        axes.annotate(
            f"{found.mean:.3f}{plus_minus}",
            xy=(1, y),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontweight="bold",
        )
    chance = _chance(runs) if metric == "uf1" else None
    if chance is not None:
        low, high = min(low, chance), max(high, chance)
        rightmost = chance > (low + high) / 2  # its words then stand to the left, else they would press the axes
        axes.axvline(chance, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)), zorder=0)
        axes.annotate(
            "always the most frequent class",
            xy=(chance, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if rightmost else 4, 1),
            textcoords="offset points",
            ha="right" if rightmost else "left",
            color=MUTED,
            fontsize=8,
            va="bottom",
        )
    pad = max(0.04 * (high - low), 0.01)
    left, right = max(low - pad, 0.0) if low > pad else -pad, min(high + pad, 1.0 + pad)
    axes.set_xlim(left, right)
    # A narrow range needs many digits a label, so there are few; beyond 0 and 1 there is room for dots, but no score.
    ticks = MaxNLocator(nbins=5 if width > NARROW else 4, steps=[1, 2, 5, 10]).tick_values(left, right)
    axes.set_xticks([tick for tick in ticks if max(left, 0.0) <= tick <= min(right, 1.0)])
    axes.set_ylim(-0.55, len(arms) - 0.45)
    if width > NARROW:
        axes.set_yticks(range(len(arms)), [arm.value for arm in reversed(arms)], color=INK, fontsize=9)
    else:
        axes.set_yticks([])
        for place, arm in enumerate(reversed(arms)):
            axes.text(
                0,
                place + 0.3,
                arm.value,
                transform=axes.get_yaxis_transform(),
                color=INK,
                fontsize=8.5,
                va="bottom",
                bbox=BACKGROUND,
            )
        axes.set_ylim(-0.55, len(arms) - 0.25)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(METRICS[metric])
    return figure


def _jitter(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A fixed small zigzag, so that equal scores do not hide each other."""
    return np.zeros(1) if count == 1 else 0.16 * (np.arange(count) % 5 - 2.0) / 2


def _chance(runs: Sequence[Run]) -> float | None:
    found = [majority_uf1(matrix) for run in runs if (matrix := mean_confusion(run)) is not None]
    return float(np.mean(found)) if found else None

"""The figure of a privacy budget: epsilon over the payments of each peer, and the most that it may spend."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import RunPart, figure_named, in_run
from p2pfl_me.report.numbers import Row, points
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import BLUE, MUTED, VERMILION, beside, curve, headline, new_figure, show_single_points


@in_run(RunPart.PRIVACY)
def spending_picture(run: Run) -> Picture | None:
    """Of peers that have paid at least once; None where nobody has."""
    paid = [log for log in run.peers if log.spent]
    if not paid:
        return None
    return Picture(
        name="spending",
        title="Epsilon spent, payment by payment",
        reading="Each line is a peer's account; the dashed line is the most that it may spend. A peer that would cross "
        "it sends no more.",
        alt="Epsilon over payments for every peer, and the budget",
        header=("peer", "payment", "round", "epsilon", "budget"),
        rows=tuple(
            (log.peer, number, each.round + 1, each.epsilon, each.budget)
            for log in paid
            for number, each in enumerate(log.spent, 1)
        ),
    )


@figure_named("spending")
def spending_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    figure, axes = new_figure(2.6, width)
    for peer in dict.fromkeys(row["peer"] for row in rows):
        own = points(rows, "payment", "epsilon", peer=peer)
        curve(axes, own, f"peer {peer}", "payment {x:g}: epsilon {y:.3g}", color=BLUE, alpha=0.6, linewidth=1)
    budget = max(float(row["budget"]) for row in rows)
    axes.axhline(budget, color=VERMILION, linestyle="--", linewidth=1)
    beside(axes, f"budget {budget:g}", (0, budget), ("axes fraction", "data"), xytext=(3, 8), fontsize=8, color=MUTED)
    show_single_points(axes)
    axes.set_ylim(0, budget * 1.15)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.set_xlabel("payment")
    headline(axes, "epsilon")
    return figure

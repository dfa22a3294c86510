"""The consensus figure: how far apart the models stand after training and after mixing, against the prediction."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from p2pfl_me.report.consensus import agreement, contraction_of
from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import RunPart, figure_named, in_run
from p2pfl_me.report.numbers import Row
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import (
    AMBER,
    BLUE,
    MUTED,
    VERMILION,
    Label,
    curve,
    line_chart,
    new_figure,
    percent_log_axis,
    round_axis,
)

FLOOR = 1e-9
"""Below float32 rounding; a model that agrees exactly has no place on a log axis."""


@in_run(RunPart.AGREEMENT)
def consensus_picture(run: Run) -> Picture | None:
    """Consensus distance by round; None if no round was logged by two peers."""
    contraction = contraction_of(run)
    rows = agreement(run, contraction)
    if not rows or not any((row.share(row.trained) or 0.0) > FLOOR for row in rows):
        return None
    apart = any((row.share(row.mixed) or 0.0) > FLOOR for row in rows)
    reading = (
        "After local training the models stand apart (upper line); one exchange with the neighbours draws them "
        "together (lower line)."
        if apart
        else "After local training the models stand apart (the line); after every exchange that two peers logged they "
        "are one model, which has no place on a log axis."
    )
    reading += (
        " Distances are in per cent of the average model's norm, each measured within 2 to 4 % of itself, from the "
        "models' sketches in the logs."
    )
    if contraction and contraction.beta is None:
        low, high = min(contraction.rms), max(contraction.rms)
        reading += (
            f" The graph changes from round to round; from its edges alone an exchange is predicted to leave "
            f"{_factor(low, high)} of the distance when the differences point nowhere in particular (dashed). What is "
            "left after one round is what the next rounds' edges reach."
        )
    elif contraction and contraction.rms_of(1) > FLOOR:
        reading += (
            f" From its graph alone the topology predicts a factor of {contraction.rms_of(1):.2f} an exchange when the "
            f"differences point nowhere in particular (dashed), and at most {contraction.beta:.2f} (dotted). What "
            "is left after several rounds lies along the graph's slow directions, so the measured line moves from the "
            "dashed towards the dotted one; above it, exchanges were lost."
        )
    elif contraction:
        reading += " This topology predicts full agreement after every exchange, up to rounding."
    return Picture(
        name="consensus",
        title="Distance between the models, measured and predicted",
        reading=reading,
        alt="Line chart on a log axis: consensus distance after training and after mixing, with predictions",
        header=("round", "peers", "trained", "mixed", "predicted_expected", "predicted_bound", "average_norm"),
        rows=tuple((row.round, row.peers, row.trained, row.mixed, row.expected, row.bound, row.norm) for row in rows),
    )


def _factor(low: float, high: float) -> str:
    return f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"


_LINES = (
    ("trained", "after training", VERMILION, "-", 1.8),
    ("mixed", "after mixing", BLUE, "-", 2.6),
    ("predicted_expected", "predicted", AMBER, (0, (4, 1.6)), 1.5),
    ("predicted_bound", "predicted, at most", MUTED, (0, (1, 1.6)), 1.4),
)
"""Column of the CSV, its name at the line's end, and the line."""


@figure_named("consensus")
def consensus_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    figure, axes = new_figure(3.5, width)
    labels: list[Label] = []
    for column, words, colour, dash, weight in _LINES:
        shares = [
            (int(row["round"]), float(row[column]) / float(row["average_norm"]))
            for row in rows
            if row[column] and float(row["average_norm"]) > 0
        ]
        points = [(index, share) for index, share in shares if share > FLOOR]
        if points:
            curve(axes, points, words, "round {x:g}: {y:.3%}", color=colour, linestyle=dash, linewidth=weight)
            labels.append((points[-1][1], words, colour))
    round_axis(axes, rows)
    words = "RMS distance to the average model, in % of its norm (log scale)"
    line_chart(axes, words, labels, percent_log_axis)
    return figure

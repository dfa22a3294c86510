"""The confusion figure: which class was taken for which, for the average model and for the mean peer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import RunPart, figure_named, in_run
from p2pfl_me.report.numbers import Cell, Row
from p2pfl_me.report.results import Counts, Floats, confusion_of, mean_confusion
from p2pfl_me.report.run import Run
from p2pfl_me.report.short_names import told_apart
from p2pfl_me.report.style import BLUE, INK, MUTED, NARROW, RULE

MOST_CLASSES = 14


@in_run(RunPart.CLASSES)
def confusion_picture(run: Run) -> Picture | None:
    """Confusion matrices, each (K, K) with rows the true classes; None where there is none of the right size."""
    classes = run.contract.model.classes
    several = not run.sole
    named = (
        ("average model", confusion_of(run.average) if several else None),
        (run.sole or "mean peer", mean_confusion(run)),
    )
    return confusion_panels(
        classes,
        [(name, matrix) for name, matrix in named if matrix is not None and len(matrix) == len(classes)],
        "The mean peer is the average of all peers' matrices, so its counts need not be whole." if several else "",
        "Confusion matrices of the average model and of the mean peer" if several else "Confusion matrix of the peer",
    )


def confusion_panels(
    classes: Sequence[str], panels: Sequence[tuple[str, Floats | Counts]], remark: str, alt: str, unit: str = "clip"
) -> Picture | None:
    """A matrix for each named panel, two in a row; None without panels or with more classes than can be read."""
    if not panels or len(classes) > MOST_CLASSES:
        return None
    rows: list[tuple[Cell, ...]] = [
        (name, true, guess, float(matrix[i, j]))
        for name, matrix in panels
        for i, true in enumerate(classes)
        for j, guess in enumerate(classes)
    ]
    return Picture(
        name="confusion",
        title="Which expression is taken for which",
        reading=(
            f"Rows are what the {unit} shows, columns what the model says; cells count {unit}s, and their shade is the "
            f"share of the row. A good model's strongest cells lie on the diagonal. {remark}".rstrip()
        ),
        alt=alt,
        header=("model", "true", "predicted", f"{unit}s"),
        rows=tuple(rows),
    )


@figure_named("confusion")
def confusion_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows: a matrix a model, two in a row, on a phone one."""
    unit = next(name for name in reversed(rows[0]) if name != "warning")
    panels: dict[str, dict[tuple[str, str], float]] = {}
    for row in rows:
        panels.setdefault(row["model"], {})[row["true"], row["predicted"]] = float(row[unit])
    classes = list(dict.fromkeys(row["true"] for row in rows))
    columns = 1 if width <= NARROW else min(len(panels), 2)
    lines = -(-len(panels) // columns)
    each = 0.9 * width + 0.5 if width <= NARROW else 0.68 * width if len(panels) == 1 else 0.5 * width + 0.5
    figure = Figure(figsize=(width, lines * each))
    names = told_apart(classes, 12 if width <= NARROW else 14)
    for index, (title, cells) in enumerate(panels.items()):
        matrix = np.array([[cells[true, guess] for guess in classes] for true in classes])
        axes = figure.add_subplot(lines, columns, 1 + index)
        _panel(axes, names, title, matrix, row_names=index % columns == 0)
        axes.set_xlabel("predicted")
        if index % columns == 0:
            axes.set_ylabel("true")
    return figure


PALE = 0.05
"""The share of a row up to which a cell is so pale that a muted count can be read on it."""


def _panel(axes: Axes, names: Sequence[str], title: str, matrix: Floats, *, row_names: bool) -> None:
    size = len(names)
    totals = matrix.sum(axis=1)
    share = np.divide(matrix, totals[:, None], out=np.zeros_like(matrix), where=totals[:, None] > 0)
    fontsize = 8.5 if size <= 5 else 7.5 if size <= 8 else 6
    for i in range(size):
        for j in range(size):
            # Shade by opacity over the page, and never so deep that ink cannot be read on it: the figure works on
            # light and on dark paper.
            shade = 0.04 + 0.53 * share[i, j]
            axes.add_patch(Rectangle((j - 0.47, i - 0.47), 0.94, 0.94, facecolor=BLUE, alpha=shade))
            if matrix[i, j]:
                axes.text(
                    j,
                    i,
                    _count(matrix[i, j]),
                    ha="center",
                    va="center",
                    fontsize=fontsize,
                    color=INK if share[i, j] > PALE or i == j else MUTED,
                    fontweight="bold" if i == j else "normal",
                )
    axes.set_xlim(-0.55, size - 0.45)
    axes.set_ylim(size - 0.45, -0.55)
    axes.set_aspect("equal", anchor="W")
    axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), names if row_names else [""] * size)
    axes.tick_params(length=0, color=RULE)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(title, loc="left", color=INK, pad=8)


def _count(value: float) -> str:
    return f"{value:.0f}" if value == round(value) or value >= 10 else f"{value:.1f}"

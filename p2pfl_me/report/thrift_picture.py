"""A comparison's score for each megabyte that a peer sent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import SettingPart, figure_named, in_setting
from p2pfl_me.report.methods import Setting, per_megabyte
from p2pfl_me.report.numbers import Cell, Row
from p2pfl_me.report.results import spread
from p2pfl_me.report.style import INK, NARROW, bars, few_ticks, headline, new_figure


@in_setting(SettingPart.COST)
def thrift_picture(setting: Setting) -> Picture | None:
    """None where no scores, or no bytes, are known, or nobody had a neighbour to send them to."""
    if setting.alone:
        return None
    rows: list[tuple[Cell, ...]] = []
    for method in setting.methods:
        found = list(per_megabyte(method).values())
        if ratio := spread([score / mb for score, mb in found]):
            score, sent = np.mean(found, axis=0).tolist()
            rows.append((method.name, ratio.mean, ratio.std, score, sent))
    if not rows:
        return None
    return Picture(
        "score-per-mb",
        "Score for each megabyte",
        "The average model's final UF1 divided by the megabytes that a peer has sent in all rounds, in the order of "
        f"the contracts.{' The line is one standard deviation over seeds.' * any(row[2] for row in rows)} It rewards "
        "thrift: a set-up that sends little stands high even with a low score, so read it beside the scores.",
        "Bar chart of UF1 per megabyte for every set-up",
        ("series", "uf1_per_mb", "std", "uf1", "mb_a_peer"),
        tuple(rows),
    )


@figure_named("score-per-mb")
def thrift_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows."""
    figure, axes = new_figure(0.9 + 0.36 * max(len(rows), 2), width)
    found = []
    for place, row in enumerate(rows):
        mean, std = float(row["uf1_per_mb"]), float(row["std"] or 0)
        words = f"{mean:#.3g}" if mean < 99.95 else f"{mean:,.0f}"  # three digits, and no point after the last
        if width > NARROW:
            words += f"  ({float(row['uf1']):.2f} for {float(row['mb_a_peer']):.3g} MB)"
        found.append((row["series"], mean, mean + std, words))
        if std:
            axes.plot([mean - std, mean + std], [place, place], color=INK, linewidth=1.0)
    bars(axes, found)
    axes.set_xlim(0, 1.02 * max(end for _, _, end, _ in found) or 1.0)
    few_ticks(axes, 4 if width > NARROW else 2)
    headline(axes, "UF1 of the average model a megabyte" if width > NARROW else "UF1 a megabyte")
    return figure

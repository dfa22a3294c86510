"""A comparison's scores by the time that rounds would take on lines of 1, 10 and 100 Mbit/s: computed, not measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from p2pfl_me.report.document import Picture
from p2pfl_me.report.figures import SettingPart, figure_named, in_setting
from p2pfl_me.report.line_styles import SET_UP, TARGET, line_styles_of, score_lines, target_lines
from p2pfl_me.report.methods import Method, Setting, course_of
from p2pfl_me.report.numbers import Cell, Row
from p2pfl_me.report.run import Run
from p2pfl_me.report.style import Label, line_chart, score_axis

LINES = (1, 10, 100)
"""Mbit/s of each peer's line."""
HEADER = ("kind", "series", "mbit_s", "round", "seconds", "uf1_mean")
PANEL, LINE = 2.1, 0.23
"""Inches: a panel's height, and a label's; panels of many labels are higher."""


@in_setting(SettingPart.COST)
def frontier_picture(setting: Setting) -> Picture | None:
    """None where no scores, no bytes or no common rounds are known, or nobody had a neighbour."""
    if setting.alone:
        return None
    timed = {method.name: own for method in setting.methods if (own := tuple(_rows(method)))}
    if not timed:
        return None
    rows: list[tuple[Cell, ...]] = [row for method in timed.values() for row in method]
    if setting.target is not None:
        rows.extend((TARGET, "target", line, None, None, setting.target) for line in LINES)
    reading = (
        "Computed, not measured: every round takes the training of its slowest peer, as logged, and the transfer of "
        "the bytes that the peer with most of them sent, over a line of that rate; where a round's models travel while "
        "it trains, the longer of the two. Latency and the shares of a line that others use are left out. Further left "
        "at the same height is sooner; a way that sends little gains where the line is thin."
    )
    if left_out := [method.name for method in setting.methods if method.name not in timed]:
        reading += f" Without rounds that all share, and so not here: {', '.join(left_out)}."
    return Picture(
        "frontier",
        "Score by time on a line",
        reading,
        "Line charts of UF1 by computed seconds at 1, 10 and 100 Mbit/s for every set-up",
        HEADER,
        tuple(rows),
    )


def line_seconds(run: Run, mbit_s: float) -> dict[int, float]:
    """When each round would have ended on such lines, by round: until one in which some peer has no line in the log."""
    protocol, rounds = run.contract.gossip.protocol, run.contract.training.rounds
    train: dict[int, float] = {}
    carry: dict[int, float] = {}
    for log in run.peers:
        sent = 0
        for each in log.rounds:
            train[each.round] = max(train.get(each.round, 0.0), each.train_seconds)
            seconds = 8 * max(each.bytes_sent - sent, 0) / (mbit_s * 1e6)
            carry[each.round] = max(carry.get(each.round, 0.0), seconds)
            sent = each.bytes_sent
    now, found = 0.0, {}
    for index in sorted(train):
        # The last round of an overlapped exchange has no training beside which its models could travel.
        beside = protocol.overlaps and index < rounds
        now += max(train[index], carry[index]) if beside else train[index] + carry[index]
        found[index] = now
    return found


def _rows(method: Method) -> Iterator[tuple[Cell, ...]]:
    course = course_of(method)
    if course is None or not method.runs[0].contract.gossip.protocol.common_rounds:
        return
    if not np.isfinite(course.sent).any():
        return
    for line in LINES:
        ends: list[Mapping[int, float]] = [line_seconds(run, line) for run in method.runs]
        for index, score in zip(course.rounds, course.score, strict=True):
            if there := [seconds[index] for seconds in ends if index in seconds]:  # of seeds whose bytes are known
                mean = float(np.mean(there))
                yield (SET_UP, method.name, line, index, mean, float(score))


@figure_named("frontier")
def frontier_figure(rows: Sequence[Row], width: float) -> Figure:
    """Drawn from such rows: a panel a line, the slowest on top."""
    height = max(PANEL, 0.5 + LINE * (len(line_styles_of(rows)) + 1))
    figure = Figure(figsize=(width, 0.4 + height * len(LINES)))
    first: Axes | None = None
    labels = []
    for place, line in enumerate(LINES):
        axes = figure.add_subplot(len(LINES), 1, place + 1, sharey=first)
        first = first or axes
        labels.append(_panel(axes, rows, line))
    for axes, line, own in zip(figure.axes, LINES, labels, strict=True):
        line_chart(axes, f"UF1 of the mean peer, {line} Mbit/s", own, score_axis, gap=0.13 * PANEL / height)
    figure.axes[-1].set_xlabel("seconds, computed")
    return figure


def _panel(axes: Axes, rows: Sequence[Row], line: int) -> list[Label]:
    labels = score_lines(axes, rows, "seconds", f"{{x:.3g}} s at {line} Mbit/s: UF1 {{y:.3f}}", mbit_s=str(line))
    labels += target_lines(axes, rows, mbit_s=str(line))
    axes.set_xscale("log")
    decades = math.log10(axes.get_xlim()[1] / axes.get_xlim()[0])
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 3 else (1.0,), numticks=8))
    axes.xaxis.set_minor_locator(NullLocator())
    # Plain text, as `text.parse_math` is off.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return labels

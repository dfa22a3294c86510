"""What `many.py` measured, against the number of peers: seconds a round and memory, beside the target.

python scripts/bench/many_picture.py many.csv docs/pictures/number-of-peers.png
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from p2pfl_me.report.style import BLUE, INK, MUTED, VERMILION, WIDTH, beside, headline, house_style
from p2pfl_me.report.svg import png_bytes

TARGET_PEERS, TARGET_S, TARGET_GB = 100_000, 60.0, 6.0
ROOM = 14.0
"""How many times the last number of peers the axis goes on, for the words beside the lines."""


def panel(axes: Axes, peers: Sequence[int], lines: Sequence[tuple[str, str, Sequence[float]]], target: float) -> None:
    """Lines (words, colour, a value a number of peers) on logarithmic axes, and the target's mark."""
    axes.loglog()
    for words, colour, values in lines:
        axes.plot(peers, values, color=colour, marker="o", markersize=3.5)
        beside(axes, words, (peers[-1], values[-1]), color=colour)
    axes.plot([TARGET_PEERS], [target], color=INK, marker="_", markersize=14, linestyle="none")
    beside(axes, f"target {target:g}", (TARGET_PEERS, target), color=INK, xytext=(9, 0))
    axes.set_xlim(peers[0] / 1.5, peers[-1] * ROOM)
    decades = [count for count in peers if np.log10(count) % 1 == 0]
    axes.set_xticks(decades, [f"{count // 1000} k" for count in decades])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.minorticks_off()
    axes.grid(visible=True, axis="y")
    axes.set_xlabel("peers", color=MUTED)


def main() -> None:
    numbers, out = Path(sys.argv[1]), Path(sys.argv[2])
    with numbers.open(encoding="utf-8", newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    rows.sort(key=lambda row: row["peers"])
    peers = [int(row["peers"]) for row in rows]
    column = {name: [row[name] for row in rows] for name in rows[0]}
    with house_style():
        figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
        seconds, memory = figure.subplots(1, 2)
        parts = ("a round", BLUE, column["round_s"]), ("mixing", VERMILION, column["mixing_s"])
        panel(seconds, peers, parts, TARGET_S)
        headline(seconds, "Seconds a round")
        held = ("all processes", BLUE, column["peak_gb"]), ("models", VERMILION, column["models_gb"])
        panel(memory, peers, held, TARGET_GB)
        headline(memory, "Gigabytes")
        out.write_bytes(png_bytes(figure))


if __name__ == "__main__":
    main()

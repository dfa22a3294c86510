"""Score against bytes for every compression: one graph, the same clips and seeds, as a Markdown table.

    python scripts/bench/compression_scores.py --data FOLDER --out DIR     # about ten minutes on two cores
    python scripts/bench/compression_scores.py --out DIR                   # on the built-in drawn clips

Runs `p2pme compare` on the event simulator, whose frames and seals have the sizes of real ones, with the compression
varied; DIR holds its page, and the same command goes on where it was stopped. MB are those that a peer sent on the
wire: headers, seals and framing included. `to whole models` is the difference to them on the same seed, whose clips and
split are the same: mean over seeds and standard deviation.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from p2pfl_me.compare.grid import make_grid
from p2pfl_me.compare.page import cell_folder
from p2pfl_me.compare.request import Request
from p2pfl_me.compare.run import compare
from p2pfl_me.console.lines import Console
from p2pfl_me.report.arms import Arm
from p2pfl_me.report.methods import track_of
from p2pfl_me.report.results import final_scores
from p2pfl_me.report.run import Run, read_run

Values = NDArray[np.float64]
WAYS = (
    "null",
    "float16",
    "int8",
    "int4",
    "{kind: fragments, parts: 4}",
    "{kind: topk, fraction: 0.1}",
    "{kind: topk, fraction: 0.01}",
    "{kind: power, rank: 1}",
    "{kind: power, rank: 4}",
    "jwins",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contract", type=Path, default=Path("topologies/ring.yaml"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    request = Request(
        contracts=(options.contract,),
        out=options.out,
        seeds=options.seeds,
        rounds=options.rounds,
        varied=(f"gossip.compression={','.join(WAYS)}",),
        baselines=False,
        engine="simulate",
        data=options.data,
    )
    code = compare(request, Console()).code
    if code:
        raise SystemExit(code)
    grid = make_grid(request)
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__}")
    print("| | MB a peer | of whole models | UF1, average model | to whole models | mean peer | to whole models |")
    print("|---|---|---|---|---|---|---|")
    whole = 0.0
    base: list[Values] = [np.zeros(0), np.zeros(0)]
    for group in grid.groups:
        runs = [read_run(cell_folder(options.out, group, seed)) for seed in grid.seeds]
        sent = float(np.mean([track.sent[-1] for run in runs if (track := track_of(run))])) / 1e6
        whole = whole or sent
        name = group.name.partition("compression ")[2]
        found = [scores(runs, arm) for arm in (Arm.AVERAGE, Arm.GOSSIP)]
        base = [known if known.size else values for known, values in zip(base, found, strict=True)]
        columns = [spread(some) for values, known in zip(found, base, strict=True) for some in (values, values - known)]
        print(f"| {name} | {sent:.1f} | {sent / whole:.3f} | {' | '.join(columns)} |")


def scores(runs: list[Run], arm: Arm) -> Values:
    """UF1 of each seed (seeds,), the mean over its models."""
    return np.array([float(np.mean(list(final_scores(run, arm, "uf1").values()))) for run in runs])


def spread(values: Values) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" if values.size > 1 else f"{values[0]:.3f}"


if __name__ == "__main__":
    main()

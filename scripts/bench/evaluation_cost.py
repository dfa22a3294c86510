"""What an evaluation costs beside the training steps that it consists of: LOSO by three peers, a whole command.

    python scripts/bench/evaluation_cost.py                                  # drawn clips, head and the small network
    python scripts/bench/evaluation_cost.py --data FOLDER --rounds 100 --times 5
    python scripts/bench/evaluation_cost.py --folds 10                       # ten folds of subjects instead of all

The reference is of the same run: `p2pme evaluate` measures, when its work is done, what a step takes alone on one core,
and says its steps times that. Beside it stand the cores' seconds of the units (isolated, gossip and pooled models) and
those of the whole command times the processes that it used: start, reading, features, tables and page included.
Features and images lie in the cache of P2PME_HOME after a first evaluation, as a user's do. Target: 1.5.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

TOPOLOGIES = Path(__file__).parents[2] / "topologies"
CONTRACTS = {"head": "ring.yaml", "ststnet": "small.yaml"}
FLOOR = re.compile(r"([\d,]+) training steps; at (\S+) ms each, .* they take (\S+) s, .* took (\S+) s of cores")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--networks", nargs="+", choices=CONTRACTS, default=list(CONTRACTS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--peers", default="3")
    parser.add_argument("--folds", type=int, help="so many of subjects; one a subject if left out")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(
        f"{os.cpu_count()} cores, load {load:.1f}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"{options.rounds} rounds, {options.peers} peers, jobs {options.jobs}, medians of {options.times}"
    )
    print("| | steps | ms a step | floor, s of a core | units | of the floor | whole command | of the floor |")
    print("|---|---|---|---|---|---|---|---|")
    for network in options.networks:
        once(options, network)  # features and images come into the cache
        found = [once(options, network) for _ in range(options.times)]
        steps, each, least, took, whole = (statistics.median(values) for values in zip(*found, strict=True))
        print(
            f"| {network} | {steps:,.0f} | {each:.2f} | {least:.1f} | {took:.1f} | {took / least:.2f} | {whole:.1f} | "
            f"{whole / least:.2f} |",
            flush=True,
        )


def once(options: argparse.Namespace, network: str) -> tuple[float, ...]:
    """Steps, milliseconds of one, the floor, the units' and the command's seconds of a core."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "p2pfl_me", "evaluate", "--topology"]
        command += [
            str(TOPOLOGIES / CONTRACTS[network]),
            "--seeds",
            "1",
            "--peers",
            options.peers,
            "--rounds",
            str(options.rounds),
            "--out",
            f"{folder}/out",
        ]
        command += ["--jobs", str(options.jobs)]
        command += ["--protocol", "kfold", "--folds", str(options.folds)] if options.folds else ["--protocol", "loso"]
        command += ["--data", str(options.data)] if options.data else []
        begun = time.perf_counter()
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        seconds = time.perf_counter() - begun
    match = FLOOR.search(said)
    if match is None:
        raise SystemExit(f"no floor in what it said:\n{said}")
    return *(float(each.replace(",", "")) for each in match.groups()), options.jobs * seconds


if __name__ == "__main__":
    main()

"""Every protocol on the same clips, ring and seeds, for the same time: what it learns and what it sends.

    python scripts/bench/protocols.py                    # the tables of docs/protocols.md, about 120 simulated runs
    python scripts/bench/protocols.py --only dpsgd push  # some rows

Ten peers learn from the built-in drawn clips in the event simulator: the real cores, trainer and codec on a virtual
clock, links of 10 to 30 ms and 100 Mbit/s, 0.1 s a training step (`--step`), so that a round's training takes about as
long as sending its models. After `--seconds` on that clock everybody is stopped, wherever they are: a protocol that
waits has done fewer rounds by then. Three ways to deal and to trouble them: subjects dealt evenly; very unevenly
(shares from Dirichlet 0.1); evenly, with peer 0 computing ten times as long. Per setting a table: rounds of the mean
peer, MB that one peer sent, UF1 on the common test clips (mean over seeds and its standard deviation) of the mean peer,
the worst peer and the average model, where peers differ in width also by width.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import torch

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.home import home
from p2pfl_me.options import RunOptions
from p2pfl_me.run.events import Round
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.reading import read_log
from p2pfl_me.simulation.engine import simulate
from p2pfl_me.simulation.faults import FaultModel
from p2pfl_me.simulation.pace import ORDINARY

RING = Path(__file__).parents[2] / "topologies" / "ring.yaml"
ROWS: dict[str, tuple[str, ...]] = {
    "dpsgd": (),
    "qg_dsgdm": ("gossip.protocol=qg_dsgdm",),
    "gradient_tracking": ("gossip.protocol=gradient_tracking",),
    "push_sum": ("gossip.protocol=push_sum",),
    "push_sum, one-peer exponential": ("gossip.protocol=push_sum", "topology={kind: one_peer_exponential}"),
    "adpsgd": ("gossip.protocol=adpsgd",),
    "swift": ("gossip.protocol=swift",),
    "push": ("gossip.protocol=push",),
    "push, limited merge": ("gossip.protocol=push", "gossip.push={merge: limited}"),
    "push, tokens": ("gossip.protocol=push", "gossip.push={tokens: {reserve: 2, capacity: 4}}"),
    "dpsgd, personal": ("gossip.personal=true",),
    "dpsgd, mesh, widths": ("peers.widths={1: 0.5, 3: 0.5, 5: 0.25}", "topology={kind: mesh}"),
    "dpsgd, mesh": ("topology={kind: mesh}",),
}
SETTINGS: dict[str, tuple[tuple[str, ...], FaultModel]] = {
    "even": ((), ORDINARY),
    "dirichlet 0.1": (("data.partition.by=dirichlet", "data.partition.alpha=0.1"), ORDINARY),
    "straggler 10x": ((), replace(ORDINARY, slow={0: 10.0})),
}
NO_END = 10_000
"""Rounds that nobody reaches."""


@dataclass(frozen=True)
class Result:
    """Of one run."""

    rounds: float
    megabytes: float
    mean: float
    worst: float
    average: float
    by_width: dict[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0, help="virtual seconds that everybody learns")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--step", metavar="S", type=float, default=0.1, help="virtual seconds of a training step")
    parser.add_argument("--settings", nargs="+", choices=sorted(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--only", nargs="+", choices=sorted(ROWS), default=list(ROWS))
    arguments = parser.parse_args()
    print(f"python {platform.python_version()}, torch {torch.__version__}, {os.cpu_count()} cores")
    print(
        f"{RING.stem}, 10 peers, {arguments.seconds:g} s, {arguments.step:g} s a step, seeds 1 to {arguments.seeds}\n"
    )
    for setting in arguments.settings:
        print(f"| {setting} | rounds | MB a peer | UF1 mean peer | worst peer | average model |")
        print("|---|---|---|---|---|---|")
        for row in arguments.only:
            results = [
                run(row, setting, seed, arguments.seconds, arguments.step) for seed in range(1, arguments.seeds + 1)
            ]
            print(f"| {row} | {line(results)} |", flush=True)
            if len(results[0].by_width) > 1:
                print(f"| {row}: {widths_line(results)} |", flush=True)
        print()


def line(results: list[Result]) -> str:
    costs = [statistics.mean(getattr(each, name) for each in results) for name in ("rounds", "megabytes")]
    scores = [spread([getattr(each, name) for each in results]) for name in ("mean", "worst", "average")]
    return " | ".join([*(f"{cost:.1f}" for cost in costs), *scores])


def widths_line(results: list[Result]) -> str:
    found = {width: [each.by_width[width] for each in results] for width in sorted(results[0].by_width, reverse=True)}
    return ", ".join(f"width {width:g} {spread(values)}" for width, values in found.items())


def spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ({statistics.stdev(values):.3f})" if len(values) > 1 else f"{values[0]:.3f}"


def run(row: str, setting: str, seed: int, seconds: float, step: float) -> Result:
    more, faults = SETTINGS[setting]
    faults = replace(faults, compute_s=(step, step), stop_s=seconds)
    contract = load_contract(RING, [*ROWS[row], *more, f"training.rounds={NO_END}", f"seed={seed}"])
    folder = Path(tempfile.mkdtemp(prefix="protocols-"))
    try:
        options = RunOptions(home=home(), run=folder / "run")
        code = simulate(contract, options, Console(StringIO(), quiet=True), faults=faults)
        assert code == 0, f"{row}, {setting}, seed {seed}: exit code {code}"
        return read(folder / "run", contract)
    finally:
        shutil.rmtree(folder)


def read(run: Path, contract: Contract) -> Result:
    scores, sent, rounds = [], [], []
    by_width: dict[float, list[float]] = defaultdict(list)
    for peer in range(contract.peers.count):
        lines = read_log(RunFolder(run), peer).events
        mixed = [line.event for line in lines if isinstance(line.event, Round)]
        test = mixed[-1].test
        assert test is not None and test.uf1 is not None
        scores.append(test.uf1)
        by_width[contract.peers.width(peer)].append(scores[-1])
        sent.append(mixed[-1].bytes_sent)
        rounds.append(len(mixed))
    average = json.loads(RunFolder(run).average.read_text())["test"]["uf1"]
    return Result(
        rounds=statistics.mean(rounds),
        megabytes=statistics.mean(sent) / 1e6,
        mean=statistics.mean(scores),
        worst=min(scores),
        average=average,
        by_width={width: statistics.mean(values) for width, values in by_width.items()},
    )


if __name__ == "__main__":
    main()

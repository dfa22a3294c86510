"""Many simulated peers of the small network: seconds a round, their parts and memory, against the number of peers.

    python scripts/bench/many.py                              # 1,000, 10,000 and 100,000 peers, a round each
    python scripts/bench/many.py --peers 1000 --rounds 5      # median of several rounds
    python scripts/bench/many.py --stacked                    # the way of a GPU, on the processor
    python scripts/bench/many.py --csv many.csv               # and a row each for many_picture.py

A round is one epoch of 16 clips a peer (one step), mixing with four others on a fresh random regular graph, and no
scores. Target: 100,000 peers in 6 GB and 60 s on two cores. The reference, in the same run, is a hundred peers trained
one after the other by `FeatureTrainer` on one core: what a round costs beyond it is lockstep's own. Without training
(--still) it says what all else takes.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from pathlib import Path

import numpy as np
import torch
from memory import Memory  # beside this script

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.trainer import FeatureTrainer, Part, Samples
from p2pfl_me.machine import cores
from p2pfl_me.simulation.lockstep_device import DeviceLockstep
from p2pfl_me.simulation.lockstep_rounds import Lockstep, Training
from p2pfl_me.topology.graphs.epidemic import epidemic_schedule

CPU = torch.device("cpu")
CLIPS, MEETS, REFERENCE = 16, 4, 100
TEXT = """\
version: 1
name: many
topology: {kind: ring}
peers: {loopback: {count: 10}}
model: {backbone: ststnet, classes: [negative, positive, surprise], preprocess: {}}
training: {local_epochs: 1, batch_size: 16, dropout: 0.2}
"""


def drawn(contract: Contract, peers: int) -> list[Samples]:
    """Shards of 4,096 drawn images: what they show is noise, and they lie in memory once."""
    random = np.random.default_rng(0)
    bank = random.standard_normal((1 << 12, contract.model.input_width), dtype=np.float32)
    labels = random.integers(0, 3, len(bank))
    own = random.integers(0, len(bank), (peers, CLIPS))
    clips = np.arange(CLIPS)
    return [Samples(Part(bank, rows, labels[rows], clips)) for rows in own]


def reference(contract: Contract, start: np.ndarray) -> float:
    """Seconds of one peer's training on one core."""
    torch.set_num_threads(1)
    samples = drawn(contract, REFERENCE)
    times = []
    for peer, own in enumerate(samples):
        begun = time.perf_counter()
        FeatureTrainer(contract, peer, own, CPU).train(start, 0)
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


def measure(contract: Contract, peers: int, rounds: int, stacked: bool, still: bool) -> dict[str, float]:
    """Says what it took, and returns it."""
    start = initial_params(contract, cache=Path())
    alone = reference(contract, start)
    memory = Memory(os.getpid())
    memory.start()
    begun = time.perf_counter()
    samples, schedule = drawn(contract, peers), epidemic_schedule(peers, MEETS, 0)
    made = (
        DeviceLockstep(contract, schedule, samples, start=start, device=CPU)
        if stacked
        else Lockstep(contract, schedule, samples, start=start, workers=cores())
    )
    if still:
        made.train = lambda round: Training(np.zeros(peers), np.zeros(peers, dtype=np.int64))  # type: ignore[method-assign]
    with made as engine:
        built = time.perf_counter() - begun
        results, totals = [], []
        for round in range(rounds):
            begun = time.perf_counter()
            results.append(engine.step(round, evaluate=False).seconds)
            totals.append(time.perf_counter() - begun)
    memory.over.set()
    memory.join()
    middle = int(np.argsort(totals)[len(totals) // 2])
    parts = results[middle]
    floor = peers * alone / cores()
    edges = totals[middle] - parts.training - parts.mixing
    models = 4 * peers * contract.model.layout.size / 1e9
    print(
        f"{peers:8,} peers: round {totals[middle]:7.2f} s (training {parts.training:.2f}, mixing {parts.mixing:.2f}, "
        f"edges {edges:.2f}), built in {built:.1f} s, {memory.peak / 1e9:.2f} GB "
        f"(models {models:.2f}); a peer alone {1e3 * alone:.2f} ms, so "
        f"{floor:.1f} s of training by {cores()} cores: {totals[middle] / floor:.2f} of that; "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    taken = {"round_s": totals[middle], "mixing_s": parts.mixing, "alone_s": alone}
    return {"peers": peers, **taken, "peak_gb": memory.peak / 1e9, "models_gb": models}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--stacked", action="store_true", help="Products over models instead of peer by peer.")
    parser.add_argument("--still", action="store_true", help="Without training.")
    parser.add_argument("--csv", type=Path, help="A row for each number of peers, for the picture.")
    arguments = parser.parse_args()
    contract = contract_from_yaml(TEXT)
    rows = [measure(contract, peers, arguments.rounds, arguments.stacked, arguments.still) for peers in arguments.peers]
    if arguments.csv:
        with arguments.csv.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()

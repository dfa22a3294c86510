"""The lockstep engine: seconds a round, their parts, share of the machine's matrix-product peak, memory.

    python scripts/bench/lockstep.py             # job A (10 x 1,372 vectors, 5 epochs) and 1,000 peers x 137 vectors
    python scripts/bench/lockstep.py --large     # and 10,000 peers x 16 vectors (11 GB)

Peers of the large jobs meet four others each round (a random regular graph); every peer's own model and the average
are scored on a common test part of 137 vectors (256 for job A). Median of several rounds, and the parts of the best.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from memory import Memory  # beside this script

from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.learning.trainer import Part, Samples
from p2pfl_me.networks.layers import HIDDEN
from p2pfl_me.simulation.lockstep_rounds import Lockstep
from p2pfl_me.topology.graphs.epidemic import epidemic_schedule

WIDTH = 2048


@dataclass(frozen=True)
class Job:
    name: str
    peers: int
    shard: int
    test: int
    epochs: int
    rounds: int


JOBS = (Job("job A", 10, 1372, 256, 5, 5), Job("1,000 peers", 1000, 137, 137, 1, 5))
LARGE = Job("10,000 peers", 10_000, 16, 137, 1, 1)


def peak_gflops(threads: int) -> float:
    """Float32 matrix products of 1536 x 1536, one thread each, at the same time: the best of five."""
    torch.set_num_threads(1)
    size, repeats = 1536, 4

    def products(_: int) -> None:
        a, b, out = torch.ones(size, size), torch.ones(size, size), torch.empty(size, size)
        for _ in range(repeats):
            torch.mm(a, b, out=out)

    best = 0.0
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for _ in range(5):
            begun = time.perf_counter()
            list(pool.map(products, range(threads)))
            best = max(best, threads * repeats * 2 * size**3 / (time.perf_counter() - begun) / 1e9)
    return best


def measure(job: Job, workers: int, peak: float) -> None:
    text = f"version: 1\nname: bench\ntopology: {{kind: ring}}\npeers: {{loopback: {{count: {min(job.peers, 100)}}}}}\n"
    contract = contract_from_yaml(text, overrides=[f"training.local_epochs={job.epochs}", "training.batch_size=32"])
    random = np.random.default_rng(0)
    count = job.peers * job.shard + job.test
    bank = random.standard_normal((count, WIDTH), dtype=np.float32)
    labels = random.integers(0, 7, count)
    rows = np.arange(count)
    cuts = np.split(rows, [job.shard * peer for peer in range(1, job.peers + 1)])
    made = [Part(bank, each, labels[each], np.arange(len(each))) for each in cuts]
    layout = contract.model.layout
    start = (0.02 * random.standard_normal(layout.size)).astype(np.float32)
    schedule = epidemic_schedule(job.peers, 4, 0)
    own = [Samples(each) for each in made[:-1]]
    with Lockstep(contract, schedule, own, start=start, test=made[-1], workers=workers) as engine:
        results, totals = [], []
        for round in range(job.rounds):
            begun = time.perf_counter()
            results.append(engine.step(round))
            totals.append(time.perf_counter() - begun)
        # In a round of its own: asking the kernel for it takes a tenth of a core.
        memory = Memory(os.getpid())
        memory.start()
        engine.step(job.rounds)
        memory.over.set()
        memory.join()
    best = results[int(np.argmin(totals))].seconds
    # Two products a training step on the wide layer (forward, its gradient), one for a score; the rest is small.
    product = 2 * WIDTH * HIDDEN * job.peers
    training, scoring = 2 * product * job.shard * job.epochs / 1e9, product * job.test / 1e9
    print(f"{job.name}: {job.peers} x {job.shard} vectors, {job.epochs} epochs, {job.test} test vectors")
    print(f"  round        median {np.median(totals):.2f} s ({min(totals):.2f} to {max(totals):.2f}) of {job.rounds}")
    print(f"  training     {best.training:.2f} s, {training / best.training / peak:.0%} of the peak")
    print(f"  mixing       {best.mixing:.2f} s, {2 * engine.params.nbytes / best.mixing / 1e9:.1f} GB/s of models")
    print(f"  evaluation   {best.evaluation:.2f} s, {scoring / best.evaluation / peak:.0%} of the peak")
    print(f"  memory       {memory.peak / 1e9:.2f} GB at most (PSS; models {engine.params.nbytes / 1e9:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="10,000 peers, too")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    print(f"machine        {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    print(f"software       Python {platform.python_version()}, torch {torch.__version__}")
    peak = peak_gflops(arguments.workers)
    print(f"peak           {peak:.0f} GFLOP/s, float32, {arguments.workers} threads")
    for job in (*JOBS, LARGE) if arguments.large else JOBS:
        measure(job, arguments.workers, peak)


if __name__ == "__main__":
    main()

"""STSTNet in lockstep beside a plain PyTorch loop over the same peers, on one core; and the bytes of one message.

    python scripts/bench/networks.py [--rounds 10] [--times 7] [--peers 10] [--clips 31]
    python scripts/bench/networks.py --data FOLDER    # and the swarm: as many real peers on a ring, the whole command

The loop is what a notebook would hold: the module as published (three streams), autograd, `torch.optim.Adam`, the
parameters averaged over the ring after every round. Both train the same drawn clips, 2 epochs a round in batches of 32,
in turns, `--times` each after a turn that is not counted; the ratio is the median of the pairs'. The target: lockstep
takes at most a third of the loop's time, a message at most 8 kB, and the swarm of 60 rounds at most 60 s. Where other
programs run, processor time says more than the clock: both are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.contract.template import contract_text
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.steps import whole_module
from p2pfl_me.learning.trainer import Part, Samples
from p2pfl_me.simulation.carriage import model_bytes
from p2pfl_me.simulation.lockstep_rounds import Lockstep
from p2pfl_me.topology import schedule_of


def drawn(contract: Contract, peers: int, clips: int) -> list[Samples]:
    random = np.random.default_rng(0)
    bank = random.normal(size=(peers * clips, contract.model.input_width)).astype(np.float32)
    labels = random.integers(0, 3, len(bank))
    rows = np.arange(len(bank)).reshape(peers, clips)
    return [Samples(Part(bank, own, labels[own], np.arange(clips))) for own in rows]


@dataclass(frozen=True)
class Spent:
    """Seconds: by the clock, and of the processor."""

    clock: float
    processor: float


@contextmanager
def spending() -> Iterator[Callable[[], Spent]]:
    """What the block spends; ask when it is over."""
    clock, processor, found = time.perf_counter(), time.process_time(), list[Spent]()
    yield lambda: found[0]
    found.append(Spent(time.perf_counter() - clock, time.process_time() - processor))


def plain_loop(contract: Contract, samples: list[Samples]) -> Spent:
    """What the loop costs that a notebook would hold."""
    training, side = contract.training, contract.model.input_size
    modules = [whole_module(contract.model, training.dropout) for _ in samples]
    for module in modules[1:]:
        module.load_state_dict(modules[0].state_dict())
    with spending() as spent:
        for _ in range(training.rounds):
            for module, own in zip(modules, samples, strict=True):
                module.train()
                adam = torch.optim.Adam(module.parameters(), training.learning_rate)
                images = torch.from_numpy(own.train.bank[own.train.rows]).view(-1, 3, side, side)
                labels = torch.from_numpy(own.train.labels)
                for _ in range(training.local_epochs):
                    for some in torch.randperm(len(labels)).split(training.batch_size):
                        adam.zero_grad()
                        cross_entropy(module(images[some]), labels[some]).backward()
                        adam.step()
            _average_ring(modules)
    return spent()


def _average_ring(modules: list[nn.Module]) -> None:
    states = [{name: value.clone() for name, value in each.state_dict().items()} for each in modules]
    for peer, module in enumerate(modules):
        near = [states[peer - 1], states[peer], states[(peer + 1) % len(states)]]
        mixed = {
            name: sum(each[name] for each in near) / 3 if value.is_floating_point() else value
            for name, value in states[peer].items()
        }
        module.load_state_dict(mixed)


def lockstep(contract: Contract, samples: list[Samples]) -> Spent:
    """What the same rounds cost in the lockstep engine, in this process."""
    with TemporaryDirectory() as cache:
        start = initial_params(contract, cache=Path(cache))
    with spending() as spent, Lockstep(contract, schedule_of(contract), samples, start=start, workers=1) as engine:
        for round in range(contract.training.rounds):
            engine.step(round, evaluate=False)
    return spent()


def compare(contract: Contract, samples: list[Samples], times: int) -> None:
    """Print the medians of both, and of the ratios of the pairs."""
    load = os.getloadavg()[0]
    pairs = [(plain_loop(contract, samples), lockstep(contract, samples)) for _ in range(1 + times)][1:]
    print(f"{os.cpu_count()} cores, load {load:.1f}, torch {torch.__version__}, medians of {times}, target 0.33")
    for name in ("clock", "processor"):
        loop, ours = ([getattr(each, name) for each in side] for side in zip(*pairs, strict=True))
        ratios = sorted(mine / theirs for theirs, mine in zip(loop, ours, strict=True))
        print(
            f"{name}: plain loop {statistics.median(loop):.2f} s, lockstep {statistics.median(ours):.2f} s: "
            f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def swarm(data: Path, peers: int, rounds: int) -> None:
    """The whole command with real peers: processes, sockets, seals, logs, checkpoints and the report."""
    command = [sys.executable, "-m", "p2pfl_me", "swarm", "ring", "--data", str(data)]
    overrides = ["model.backbone=ststnet", f"peers.loopback.count={peers}", f"training.rounds={rounds}"]
    command += [word for override in overrides for word in ("--set", override)]
    with TemporaryDirectory() as folder:
        begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, "--out", f"{folder}/run"], check=True, stdout=subprocess.DEVNULL)
        seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        ledger = (Path(folder) / "run" / "egress-0.jsonl").read_text().splitlines()
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    load = os.getloadavg()[0]
    print(f"swarm {seconds:.0f} s (target 60), {worked:.0f} s of processor time, load {load:.1f} at its end")
    print(f"the ledger's largest message: {max(json.loads(line)['bytes'] for line in ledger)} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="Of the two in turns.")
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--peers", type=int, default=10)
    parser.add_argument("--clips", type=int, default=31, help="Of each peer.")
    parser.add_argument("--data", type=Path, help="Clips for the swarm.")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    overrides = ["model.backbone=ststnet", "model.classes=[a, b, c]", f"training.rounds={arguments.rounds}"]
    contract = contract_from_yaml(contract_text("ring", arguments.peers, overrides=overrides))
    samples = drawn(contract, arguments.peers, arguments.clips)
    compare(contract, samples, arguments.times)
    size = contract.model.layout.size
    print(f"a model of {size} values: {model_bytes(contract)} bytes with header and seals (target 8000)")
    if arguments.data:
        swarm(arguments.data, arguments.peers, 60)


if __name__ == "__main__":
    main()

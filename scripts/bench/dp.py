"""What DP-SGD costs a step of the head: plain steps and private ones in one run, with noise and without.

python scripts/bench/dp.py [STEPS]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import cast

import numpy as np
import torch

from p2pfl_me.contract.load import contract_from_yaml
from p2pfl_me.learning.losses import CrossEntropy
from p2pfl_me.learning.noise_ahead import noises
from p2pfl_me.learning.steps import make_dp_step, make_step
from p2pfl_me.privacy.randomness import System

TEXT = "version: 1\nname: bench\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\n"
BATCH, SAMPLES, BLOCK = 32, 64, 10


def main(steps: int) -> None:
    torch.set_num_threads(1)
    contract, cpu = contract_from_yaml(TEXT), torch.device("cpu")
    size, width = contract.model.layout.size, contract.model.input_width
    draw = np.random.default_rng(0)
    params = torch.from_numpy(draw.normal(0, 0.01, size).astype(np.float32))
    bank = torch.from_numpy(draw.normal(size=(SAMPLES, width)).astype(np.float32))
    labels = torch.from_numpy(draw.integers(0, 7, SAMPLES))
    rows, random = torch.randperm(SAMPLES)[:BATCH], torch.Generator().manual_seed(0)
    shares = torch.full((BATCH,), 1 / BATCH)
    plain = make_step(contract, CrossEntropy(None), cpu, batch=BATCH)
    private = make_dp_step(contract, CrossEntropy(None), cpu, batch=2 * BATCH)
    plain.begin(params.clone(), 1e-3, 10**6)
    private.begin(params.clone(), 1e-3, 10**6)
    zeros = torch.zeros(size)

    def plain_step() -> None:
        plain.forward_backward(bank, rows, labels[rows], random)
        plain.update()

    def private_step(grads: torch.Tensor) -> None:
        private.onto(grads)
        private.add(bank, rows, labels[rows], 1.0, shares, random)
        private.update()

    def cut_only() -> None:
        private_step(zeros.zero_())

    ahead = noises(System().stream(), size, 1e-3, 10**9, cpu)
    stream, room = System().stream(), np.empty(size, np.float32)

    def noise_only() -> None:
        stream.normal(room, 1e-3)

    def with_noise_ahead() -> None:
        private_step(next(ahead))

    def one_thread() -> None:
        noise_only()
        private_step(torch.from_numpy(room))

    kinds: dict[str, Callable[[], None]] = {
        "plain": plain_step,
        "cut, no noise": cut_only,
        "noise alone": noise_only,
        "cut and noise, made ahead in another thread": with_noise_ahead,
        "cut and noise, one thread": one_thread,
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for _ in range(steps // BLOCK):  # in turn, so that a busy machine is busy for all
        for name, step in kinds.items():
            step()  # what another thread has made ahead by now belongs to nobody's time
            begun, used = time.perf_counter(), time.process_time()
            for _ in range(BLOCK):
                step()
            taken[name].append(((time.perf_counter() - begun) / BLOCK, (time.process_time() - used) / BLOCK))
    cast(object, ahead).close()  # type: ignore[attr-defined]
    load = os.getloadavg()[0]
    print(f"head, {size:,} values, batch {BATCH}, {steps} steps in turn, {os.cpu_count()} cores, load {load:.1f}")
    print(f"{'fastest tenth, and of plain':44}  {'wall':>8}  {'':6}  {'processor':>9}")
    plain = np.quantile(taken["plain"], 0.1, axis=0)
    for name, times in taken.items():
        wall, used = np.quantile(times, 0.1, axis=0)
        print(
            f"{name:44}  {1e3 * wall:5.3f} ms  {wall / plain[0]:4.2f} x  {1e3 * used:6.3f} ms  {used / plain[1]:4.2f} x"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)

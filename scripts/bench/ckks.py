#!/usr/bin/env python
"""What homomorphic mixing would cost beside masks: CKKS by tenseal, around one receiver, in one run.

pip install tenseal
python scripts/bench/ckks.py [--degree 4] [--repeats 3]

The receiver's key encrypts; its neighbours add their weighted models to one ciphertext after the other, in a chain,
so that the receiver decrypts their sum and nothing else. Timed by processor are the longest way (the neighbours' work
and the receiver's), and what one neighbour does; bytes are those that a neighbour sends. Masks are those of
`privacy/masks.py`."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tenseal

from p2pfl_me.message import Vector
from p2pfl_me.privacy.fixed_point import FixedPoint
from p2pfl_me.privacy.mask_keys import Streams

SIZES = {"small network": 1_715, "head": 263_175}
DEGREES = {4096: (40, 21, 40), 8192: (60, 40, 60)}
"""Degree of the ring and the bits of its moduli; both at 128 bits of security (homomorphicencryption.org's table)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--degree", type=int, default=4, help="neighbours of the receiver")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"{options.degree} neighbours of one receiver, the least of {options.repeats} repeats")
    print(f"{'model':14} {'form':12} {'ciphertexts':>11} {'all':>11} {'a neighbour':>12} {'sent':>10} {'error':>14}")
    for name, size in SIZES.items():
        random = np.random.default_rng(0)
        models = [0.1 * random.standard_normal(size, dtype=np.float32) for _ in range(options.degree)]
        show(name, "masks", least(options, lambda models=models: masks(models)))
        for degree in DEGREES:
            show(name, f"ckks {degree}", least(options, lambda models=models, n=degree: ckks(models, n)))
    load = os.getloadavg()[0]
    print(f"Python {platform.python_version()}, tenseal {tenseal.__version__}, {os.cpu_count()} cores, load {load:.1f}")


Cost = tuple[float, float, int, int, float]
"""(seconds of all, of one neighbour, ciphertexts, bytes, largest error)"""


def least(options: argparse.Namespace, measure: Callable[[], Cost]) -> Cost:
    return min(measure() for _ in range(options.repeats))


def show(name: str, form: str, cost: Cost) -> None:
    whole, one, count, sent, error = cost
    print(
        f"{name:14} {form:12} {count or '':>11} {1000 * whole:8.1f} ms {1000 * one:9.1f} ms "
        f"{sent / 1e6:7.3f} MB {error:14.1e}"
    )


def ckks(models: list[Vector], degree: int) -> Cost:
    context: Any = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS, poly_modulus_degree=degree, coeff_mod_bit_sizes=list(DEGREES[degree])
    )
    context.global_scale = 2.0 ** DEGREES[degree][1]
    slots, weight = degree // 2, 1 / (len(models) + 1)
    chunks = range(0, models[0].size, slots)
    begun = time.process_time()
    chain: list[bytes] = []
    one = 0.0
    for number, model in enumerate(models):
        started = time.process_time()
        values = weight * model.astype(np.float64)
        parts = [tenseal.ckks_vector(context, values[begin : begin + slots]) for begin in chunks]
        if number:
            parts = [part + tenseal.ckks_vector_from(context, data) for part, data in zip(parts, chain, strict=True)]
        chain = [part.serialize() for part in parts]
        one = time.process_time() - started
    total = np.concatenate([tenseal.ckks_vector_from(context, data).decrypt() for data in chain])
    spent = time.process_time() - begun
    wanted = weight * np.sum([model.astype(np.float64) for model in models], axis=0)
    error = float(np.abs(total[: wanted.size] - wanted).max())
    return spent, one, len(chain), sum(map(len, chain)), error


def masks(models: list[Vector]) -> Cost:
    """The same sum by masks: each neighbour one of its own and one with each of the others."""
    count, weight = len(models), 1 / (len(models) + 1)
    point = FixedPoint(32, 1000.0, count)
    streams = Streams(4 * models[0].size)
    own = [bytes([1, peer]) * 16 for peer in range(count)]
    pairs = {(a, b): bytes([2 + a, b]) * 16 for b in range(count) for a in range(b)}
    begun = time.process_time()
    given, one = [], 0.0
    for peer, model in enumerate(models):
        started = time.process_time()
        words = point.words(model, weight, 0)
        words += point.from_bytes(streams.of(own[peer]))
        for (a, b), seed in pairs.items():
            if peer in (a, b):
                mask = point.from_bytes(streams.of(seed))
                words = words + mask if peer == a else words - mask
        given.append(words)
        one = time.process_time() - started
    total = point.nothing(models[0].size)
    for peer, words in enumerate(given):
        total += words
        total -= point.from_bytes(streams.of(own[peer]))
    values = point.values(total)
    spent = time.process_time() - begun
    wanted = weight * np.sum([model.astype(np.float64) for model in models], axis=0)
    return spent, one, 0, 4 * models[0].size, float(np.abs(values - wanted).max())


if __name__ == "__main__":
    main()

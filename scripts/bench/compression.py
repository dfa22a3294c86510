"""Each compressor on one edge: bytes of a payload, time at one end, and whether it pays on a 1 Gbit/s link.

    OMP_NUM_THREADS=1 python scripts/bench/compression.py            # P = 263,175, as `head` sends them
    OMP_NUM_THREADS=1 python scripts/bench/compression.py --large    # and P = 7,342,599, as `block5` sends them

It pays if encoding, checking and exchanging (with its decoding) cost less than the bytes saved would take on the
link. The models are of the head's shapes (for the large one, a convolution block before it), with weights as training
leaves them; between rounds both ends take a small random step on a tenth of the values. The first exchange of an edge,
which fills the memories, is not timed; it is printed as `first`. Medians over rounds of the thread's processor time,
so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from math import prod

import numpy as np

from p2pfl_me.compression import (
    Compression,
    Float16,
    Fragments,
    Int4,
    Int8,
    Jwins,
    Power,
    Shapes,
    TopK,
)
from p2pfl_me.message import Vector

GIGABIT = 1e9 / 8
HEAD: Shapes = ((128, 2048), (128,), (7, 128), (7,))
BLOCK5: Shapes = (((512, 512, 3, 3), (512,)) * 3) + HEAD


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="also the large model")
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds (default 15)")
    arguments = parser.parse_args()
    versions = f"python {platform.python_version()}, numpy {np.__version__}"
    print(f"{versions}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f}")
    for shapes in (HEAD, BLOCK5) if arguments.large else (HEAD,):
        size = sum(map(prod, shapes))
        print(f"\nP = {size:,}, {4 * size:,} bytes as float32, {4e3 * size / GIGABIT:.2f} ms at 1 Gbit/s")
        print("compressor         bytes    ratio      first  encode  check  exchange  saved ms  pays")
        for label, compressor in compressors():
            print(row(label, compressor, size, shapes, arguments.rounds), flush=True)


def compressors() -> list[tuple[str, Compression]]:
    return [
        ("float16", Float16()),
        ("int8", Int8()),
        ("int4", Int4()),
        ("fragments 1/4", Fragments(parts=4)),
        ("topk 10 %", TopK(fraction=0.1)),
        ("topk 1 %", TopK(fraction=0.01)),
        ("power rank 1", Power(rank=1)),
        ("power rank 4", Power(rank=4)),
        ("jwins", Jwins()),
    ]


def row(label: str, compressor: Compression, size: int, shapes: Shapes, rounds: int) -> str:
    rng = np.random.default_rng(0)
    own = rng.normal(0, 0.03, size).astype(np.float32)
    other = own + rng.normal(0, 0.003, size).astype(np.float32)
    mine, theirs = (compressor.edge(*ends, 7, size, shapes) for ends in ((0, 1), (1, 0)))
    lengths, times = [], []
    for round in range(rounds + 1):
        received = theirs.encode(round, other)
        begin = time.thread_time()
        sent = mine.encode(round, own)
        encoded = time.thread_time()
        mine.check(round, received)
        checked = time.thread_time()
        correction = mine.exchange(round, own, sent, received)
        times.append((encoded - begin, checked - encoded, time.thread_time() - checked))
        lengths.append(len(sent))
        other += theirs.exchange(round, other, received, sent) / 3 + step(rng, size)
        own += correction / 3 + step(rng, size)
    encode, check, exchange = (1e3 * statistics.median(column) for column in zip(*times[1:], strict=True))
    length = statistics.mean(lengths[1:])
    saved = 1e3 * (4 * size - length) / GIGABIT
    pays = "yes" if encode + check + exchange < saved else "no"
    return (
        f"{label:<14}{length:>10,.0f}{4 * size / length:>8.1f}x{lengths[0]:>11,}"
        f"{encode:>8.2f}{check:>7.2f}{exchange:>10.2f}{saved:>10.2f}  {pays}"
    )


def step(rng: np.random.Generator, size: int) -> Vector:
    """A small random step on a tenth of the values."""
    change = rng.normal(0, 3e-4, size).astype(np.float32)
    change[rng.random(size) > 0.1] = 0
    return change


if __name__ == "__main__":
    main()

"""Both ends of an edge and rings of them, as the tests drive them."""

from __future__ import annotations

import numpy as np

from p2pfl_me.compression import (
    Chunked,
    Compression,
    EdgeState,
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

SHAPES = ((16, 24), (16,), (5, 16), (5,))
SIZE = sum(int(np.prod(shape)) for shape in SHAPES)
CONSERVING: dict[str, Compression] = {
    "float16": Float16(),
    "int8": Int8(),
    "int4": Int4(),
    "fragments": Fragments(parts=3),
    "topk": TopK(fraction=0.1),
    "topk-few": TopK(fraction=0.05),
    "chunked": Chunked(fraction=0.25),
    "chunked-all": Chunked(fraction=1, bits=2),
    "chunked-signs": Chunked(fraction=1, bits=1),
    "chunked-3": Chunked(fraction=0.5, bits=3),
    "power": Power(rank=1),
    "power-3": Power(rank=3),
}
ALL: dict[str, Compression] = {**CONSERVING, "jwins": Jwins()}
REMEMBERING = ["topk", "chunked", "chunked-all", "chunked-signs", "chunked-3", "power", "power-3"]


def model(seed: int, size: int = SIZE, scale: float = 1.0) -> Vector:
    return np.random.default_rng(seed).normal(0, scale, size).astype(np.float32)


def ends(
    compressor: Compression, size: int = SIZE, seed: int = 7, shapes: Shapes | None = None
) -> tuple[EdgeState, EdgeState]:
    """The state of peer 3 towards 8 and that of 8 towards 3."""
    shapes = shapes or (SHAPES if size == SIZE else ())
    return compressor.edge(3, 8, seed, size, shapes), compressor.edge(8, 3, seed, size, shapes)


def meet(round: int, low: EdgeState, high: EdgeState, x: Vector, y: Vector) -> tuple[Vector, Vector]:
    """One atomic exchange; the corrections of both ends."""
    of_low, of_high = low.encode(round, x), high.encode(round, y)
    low.check(round, of_high)
    high.check(round, of_low)
    return low.exchange(round, x, of_low, of_high), high.exchange(round, y, of_high, of_low)


def gossip(compressor: Compression, models: list[Vector], rounds: int, *, until: float = 0.0) -> list[Vector]:
    """Repeated averaging on a ring, W_ij = 1/3, without any training; it ends early once `spread` is below `until`."""
    count, size = len(models), models[0].size
    edges = [(peer, (peer + 1) % count) for peer in range(count)]
    states = {
        (a, b): compressor.edge(a, b, 7, size, SHAPES if size == SIZE else ())
        for edge in edges
        for a, b in (edge, edge[::-1])
    }
    for round in range(rounds):
        corrections = [np.zeros(size, np.float32) for _ in models]
        for a, b in edges:
            at_a, at_b = meet(round, states[a, b], states[b, a], models[a], models[b])
            corrections[a] += at_a
            corrections[b] += at_b
        models = [own + correction / np.float32(3) for own, correction in zip(models, corrections, strict=True)]
        if until and round % 20 == 19 and spread(models) < until:
            break
    return models


def spread(models: list[Vector]) -> float:
    """Root mean square distance from the mean model, a value."""
    stacked = np.stack(models).astype(np.float64)
    return float(np.sqrt(np.mean((stacked - stacked.mean(0)) ** 2)))

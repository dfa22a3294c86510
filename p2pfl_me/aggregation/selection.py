"""The values in the middle, position by position over several vectors, by minima and maxima of whole blocks.

Sorting a column at a time would be ten times as slow: numpy takes minima of two blocks as fast as it adds them. A pass
takes the smallest and the largest of k in ceil(3 k / 2) - 2 comparisons (the classical pairing) and leaves the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p2pfl_me.aggregation.differences import BLOCK, blocks, distances
from p2pfl_me.aggregation.rule import Mixture, Neighbourhood
from p2pfl_me.message import Vector


def mixture_of_the_middle(around: Neighbourhood, drop: int) -> Mixture:
    """Value by value over one's own model and the neighbours'. Nobody is in or out as a whole: each weighs 1 / n."""
    everyone = {**around.models, around.me: around.own}
    params = mean_of_the_middle([everyone[peer] for peer in sorted(everyone)], drop)
    return Mixture(params, distances(around).relative, dict.fromkeys(around.peers, 1.0 / len(everyone)))


def mean_of_the_middle(vectors: Sequence[Vector], drop: int) -> Vector:
    """Position by position, the mean without the `drop` smallest and the `drop` largest values; float32 (P,).

    Huge values never enter a sum, so nobody can make the others' digits disappear.
    """
    size, left = vectors[0].size, len(vectors) - 2 * drop
    mean = np.empty(size, dtype=np.float32)
    scratch = np.empty((len(vectors) + 1, BLOCK), dtype=np.float32)
    share = np.float32(1.0 / left)
    for block in blocks(size):
        width = mean[block].size
        buffers = _Buffers([row[:width] for row in scratch])
        pool = [buffers.copy(vector[block]) for vector in vectors]
        for _ in range(drop):
            pool = buffers.without_extremes(pool)
        out = mean[block]
        out[:] = pool[0]
        for each in pool[1:]:
            out += each
        out *= share
    return mean


class _Buffers:
    """Blocks to write into: each comparison takes one and gives one back."""

    def __init__(self, free: list[Vector]) -> None:
        self._free = free

    def copy(self, values: Vector) -> Vector:
        own = self._free.pop()
        own[:] = values
        return own

    def without_extremes(self, pool: list[Vector]) -> list[Vector]:
        """The k - 2 blocks that are left of k, 3 or more."""
        lows, highs = [], []
        for one, other in zip(pool[::2], pool[1::2], strict=False):
            low, high = self._ordered(one, other)
            lows.append(low)
            highs.append(high)
        if len(pool) % 2:
            low, highs[0] = self._ordered(pool[-1], highs[0])
            lows.append(low)
        rest: list[Vector] = []
        top = highs[0]
        for each in highs[1:]:
            low, top = self._ordered(each, top)
            rest.append(low)
        bottom = lows[0]
        for each in lows[1:]:
            bottom, high = self._ordered(bottom, each)
            rest.append(high)
        self._free += [top, bottom]
        return rest

    def _ordered(self, one: Vector, other: Vector) -> tuple[Vector, Vector]:
        """(the smaller values, the larger ones); the two blocks given are written over."""
        low = np.minimum(one, other, out=self._free.pop())
        high = np.maximum(one, other, out=other)
        self._free.append(one)
        return low, high

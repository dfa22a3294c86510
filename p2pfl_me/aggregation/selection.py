"""The values in the middle, position by position over several vectors, by minima and maxima of whole blocks.

Sorting a column at a time would be ten times as slow: numpy takes minima of two blocks as fast as it adds them. A pass
takes the smallest and the largest of k in ceil(3 k / 2) - 2 comparisons (the classical pairing) and leaves the others.
"""

from __future__ import annotations

import numpy as np

from p2pfl_me.aggregation.differences import BLOCK, Measuring, blocks
from p2pfl_me.aggregation.rule import Mixture, Neighbourhood
from p2pfl_me.message import Vector


def mixture_of_the_middle(around: Neighbourhood, drop: int) -> Mixture:
    """Position by position over one's own model and the neighbours', the mean without the `drop` smallest and largest.

    Huge values never enter a sum, so nobody can make the others' digits disappear. Nobody is in or out as a whole: each
    is said to weigh 1 / n. One pass over the models.
    """
    everyone = {**around.models, around.me: around.own}
    vectors = [everyone[peer] for peer in sorted(everyone)]
    size, left = around.own.size, len(vectors) - 2 * drop
    mean = np.empty(size, dtype=np.float32)
    scratch = np.empty((len(vectors) + 1, BLOCK), dtype=np.float32)
    share, measuring = np.float32(1.0 / left), Measuring(around)
    for block in blocks(size):
        measuring.add(block)
        out = mean[block]
        comparing = _Comparing([row[: out.size] for row in scratch])
        pool = [vector[block] for vector in vectors]
        for _ in range(drop):
            pool = comparing.without_extremes(pool)
        if left == 1:
            out[:] = pool[0]
            continue
        np.add(pool[0], pool[1], out=out)
        for each in pool[2:]:
            out += each
        out *= share
    return Mixture(mean, measuring.found.relative, dict.fromkeys(around.peers, 1.0 / len(everyone)))


class _Comparing:
    """Blocks to write into. Those that come from elsewhere are read and never written to."""

    def __init__(self, free: list[Vector]) -> None:
        self._free = free
        self._own = {id(block) for block in free}

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
        top, bottom = highs[0], lows[0]
        for each in highs[1:-1]:
            low, top = self._ordered(each, top)
            rest.append(low)
        for each in lows[1:-1]:
            bottom, high = self._ordered(bottom, each)
            rest.append(high)
        # Of the last comparison of each kind, the extreme itself is nobody's.
        if len(highs) > 1:
            rest.append(np.minimum(top, highs[-1], out=highs[-1]))
        if len(lows) > 1:
            rest.append(np.maximum(bottom, lows[-1], out=lows[-1]))
        self._free += [top, bottom]
        return rest

    def _ordered(self, one: Vector, other: Vector) -> tuple[Vector, Vector]:
        """(the smaller values, the larger ones), in blocks of one's own."""
        low = np.minimum(one, other, out=self._free.pop())
        if id(other) in self._own:
            high = np.maximum(one, other, out=other)
        elif id(one) in self._own:
            return low, np.maximum(one, other, out=one)
        else:
            return low, np.maximum(one, other, out=self._free.pop())
        if id(one) in self._own:
            self._free.append(one)
        return low, high

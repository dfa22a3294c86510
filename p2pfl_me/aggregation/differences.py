"""How far the neighbours' models are, from one's own and from each other, and sums of models: block by block.

Sums of squares are those of numpy's dot product over blocks short enough for one thread, so they don't depend on the
number of cores or on where an array lies in memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from p2pfl_me.aggregation.rule import Neighbourhood
from p2pfl_me.message import Vector

BLOCK = 1 << 14
"""Values a block: a dozen of them fit into a core's second cache."""
PIECE = 1 << 13
"""Values a product: OpenBLAS takes threads from 10,000 on, and sums in another order with each number of them."""


@dataclass(frozen=True, slots=True)
class Distances:
    """||x_j - x_i|| by neighbour, and ||x_i||."""

    of: Mapping[int, float]
    norm: float

    @property
    def relative(self) -> dict[int, float]:
        """As `Mixture.distance` has them."""
        return {peer: distance / (self.norm or 1.0) for peer, distance in self.of.items()}

    def nearest_first(self) -> list[int]:
        """Of two that are equally far, the lower id."""
        return sorted(self.of, key=lambda peer: (self.of[peer], peer))


def blocks(size: int) -> Iterator[slice]:
    """The values 0..size-1, BLOCK at a time."""
    return (slice(begin, min(begin + BLOCK, size)) for begin in range(0, size, BLOCK))


def product(one: Vector, other: Vector) -> float:
    """The inner product of two blocks."""
    if one.size <= PIECE:
        return float(np.dot(one, other))
    return float(np.dot(one[:PIECE], other[:PIECE])) + product(one[PIECE:], other[PIECE:])


class Measuring:
    """Squared distances from one's own model, a block at a time, for a pass that does more with each block."""

    def __init__(self, around: Neighbourhood) -> None:
        self._around, self._peers = around, around.peers
        self._squares = [0.0] * len(self._peers)
        self._own = 0.0
        self._scratch = np.empty(BLOCK, dtype=np.float32)

    def add(self, block: slice) -> None:
        """Blocks together make up the models, each once."""
        mine = self._around.own[block]
        tmp = self._scratch[: mine.size]
        self._own += product(mine, mine)
        for at, peer in enumerate(self._peers):
            np.subtract(self._around.models[peer][block], mine, out=tmp)
            self._squares[at] += product(tmp, tmp)

    @property
    def found(self) -> Distances:
        """Once all blocks are in."""
        of = {peer: math.sqrt(square) for peer, square in zip(self._peers, self._squares, strict=True)}
        return Distances(of, math.sqrt(self._own))


def distances(around: Neighbourhood) -> Distances:
    """One pass over the models."""
    measuring = Measuring(around)
    for block in blocks(around.own.size):
        measuring.add(block)
    return measuring.found


@dataclass(frozen=True, slots=True)
class Gram:
    """Inner products of the differences x_a - x_i, float64 (n, n), a in `order`: one's own, at 0, then the neighbours.

    Taken from differences, since models lie much closer together than to the origin.
    """

    order: tuple[int, ...]
    products: npt.NDArray[np.float64] = field(repr=False)
    norm: float

    @property
    def distances(self) -> Distances:
        """From one's own."""
        roots = np.sqrt(np.diag(self.products))
        return Distances({peer: float(roots[place]) for place, peer in enumerate(self.order) if place}, self.norm)

    def squares_between(self) -> npt.NDArray[np.float64]:
        """||x_a - x_b||^2, float64 (n, n)."""
        diagonal = np.diag(self.products)
        squares: npt.NDArray[np.float64] = np.maximum(diagonal[:, None] + diagonal - 2 * self.products, 0.0)
        return squares


def gram(around: Neighbourhood) -> Gram:
    """One pass over the models."""
    own, peers = around.own, around.peers
    count = len(peers)
    scratch = np.empty((count, BLOCK), dtype=np.float32)
    products = [[0.0] * (count + 1) for _ in range(count + 1)]
    own_square = 0.0
    for block in blocks(own.size):
        mine = own[block]
        own_square += product(mine, mine)
        rows = [
            np.subtract(around.models[peer][block], mine, out=scratch[at, : mine.size]) for at, peer in enumerate(peers)
        ]
        for a, one in enumerate(rows, start=1):
            into = products[a]
            for b in range(a):
                into[b + 1] += product(one, rows[b])
    full = np.array(products)
    full += np.tril(full, -1).T
    return Gram((around.me, *peers), full, math.sqrt(own_square))


def weighted_sum(shares: Sequence[tuple[float, Vector]], size: int) -> Vector:
    """sum share * vector in the order given, float32 (size,); those of share 0 are not read."""
    order = [(np.float32(share), vector) for share, vector in shares if share != 0]
    total = np.zeros(size, dtype=np.float32)
    scratch = np.empty(BLOCK, dtype=np.float32)
    for block in blocks(size):
        out, tmp = total[block], scratch[: total[block].size]
        for place, (share, vector) in enumerate(order):
            if place == 0:
                np.multiply(vector[block], share, out=out)
            else:
                np.multiply(vector[block], share, out=tmp)
                out += tmp
    return total


def moved_towards(around: Neighbourhood, shares: Mapping[int, float]) -> Vector:
    """x_i + sum_j share_j (x_j - x_i), summed in the order of ids."""
    rest = 1.0 - math.fsum(shares.values())
    everyone = {**{peer: (share, around.models[peer]) for peer, share in shares.items()}, around.me: (rest, around.own)}
    return weighted_sum([everyone[peer] for peer in sorted(everyone)], around.own.size)

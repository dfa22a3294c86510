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
SUM_BLOCK = 1 << 16
"""The same for sums, which hold two blocks at a time."""
PIECE = 1 << 13
"""Values a product: OpenBLAS takes threads from 10,000 on, and sums in another order with each number of them."""
PRODUCTS = 1 << 18
"""Multiplications of one product of matrices: from there on OpenBLAS takes threads."""


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


def blocks(size: int, length: int = BLOCK) -> Iterator[slice]:
    """The values 0..size-1, so many at a time."""
    return (slice(begin, min(begin + length, size)) for begin in range(0, size, length))


def product(one: Vector, other: Vector) -> float:
    """The inner product of two blocks."""
    if one.size <= PIECE:
        return float(np.dot(one, other))
    return float(np.dot(one[:PIECE], other[:PIECE])) + product(one[PIECE:], other[PIECE:])


class Measuring:
    """Squared distances from one's own model, a block at a time, for a pass that does more with each block."""

    def __init__(self, around: Neighbourhood, scratch: npt.NDArray[np.float32] | None = None) -> None:
        """`scratch` has a row for each neighbour, as long as the longest block, which this writes to."""
        self._around, self._peers = around, around.peers
        self._squares = np.zeros(len(self._peers))
        self._own = 0.0
        self._scratch = np.empty((len(self._peers), BLOCK), dtype=np.float32) if scratch is None else scratch

    def add(self, block: slice) -> None:
        """Blocks together make up the models, each once."""
        mine = self._around.own[block]
        self._own += product(mine, mine)
        rows = self._scratch[: len(self._peers), : mine.size]
        for row, peer in zip(rows, self._peers, strict=True):
            np.subtract(self._around.models[peer][block], mine, out=row)
        for begin in range(0, mine.size, PIECE):
            piece = rows[:, begin : begin + PIECE]
            self._squares += np.matmul(piece[:, None, :], piece[:, :, None])[:, 0, 0]

    @property
    def found(self) -> Distances:
        """Once all blocks are in."""
        of = {peer: math.sqrt(square) for peer, square in zip(self._peers, self._squares.tolist(), strict=True)}
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
    # One's own row, of zeros, makes the two factors differ: for a matrix and itself numpy takes a slower product.
    scratch = np.zeros((count + 1, BLOCK), dtype=np.float32)
    piece = min(BLOCK, 1 << max(5, (PRODUCTS // (count * (count + 1))).bit_length() - 1))
    products = np.zeros((count, count + 1))
    own_square = 0.0
    for block in blocks(own.size):
        mine = own[block]
        own_square += product(mine, mine)
        rows = scratch[:, : mine.size]
        for row, peer in zip(rows[1:], peers, strict=True):
            np.subtract(around.models[peer][block], mine, out=row)
        whole = mine.size - mine.size % piece
        pieces = rows[:, :whole].reshape(count + 1, -1, piece).transpose(1, 0, 2)
        products += np.matmul(pieces[:, 1:], pieces.transpose(0, 2, 1)).sum(axis=0, dtype=np.float64)
        if whole < mine.size:
            products += np.matmul(rows[1:, whole:], rows[:, whole:].T)
    below = np.tril(np.vstack([np.zeros(count + 1), products]))
    return Gram((around.me, *peers), below + np.tril(below, -1).T, math.sqrt(own_square))


def weighted_sum(shares: Sequence[tuple[float, Vector]], size: int) -> Vector:
    """sum share * vector in the order given, float32 (size,); those of share 0 are not read."""
    order = [(np.float32(share), vector) for share, vector in shares if share != 0]
    if len({share for share, _ in order}) == 1 and len(order) > 1:
        return _scaled_sum(order[0][0], [vector for _, vector in order], size)
    total = np.zeros(size, dtype=np.float32)
    scratch = np.empty(min(size, SUM_BLOCK), dtype=np.float32)
    for block in blocks(size, SUM_BLOCK):
        out, tmp = total[block], scratch[: total[block].size]
        for place, (share, vector) in enumerate(order):
            if place == 0:
                np.multiply(vector[block], share, out=out)
            else:
                np.multiply(vector[block], share, out=tmp)
                out += tmp
    return total


def _scaled_sum(share: np.float32, vectors: Sequence[Vector], size: int) -> Vector:
    """share * sum vector: half the work where all count alike."""
    total = np.empty(size, dtype=np.float32)
    for block in blocks(size, SUM_BLOCK):
        out = np.add(vectors[0][block], vectors[1][block], out=total[block])
        for vector in vectors[2:]:
            out += vector[block]
        out *= share
    return total


def moved_towards(around: Neighbourhood, shares: Mapping[int, float]) -> Vector:
    """x_i + sum_j share_j (x_j - x_i), summed in the order of ids."""
    rest = 1.0 - math.fsum(shares.values())
    everyone = {**{peer: (share, around.models[peer]) for peer, share in shares.items()}, around.me: (rest, around.own)}
    return weighted_sum([everyone[peer] for peer in sorted(everyone)], around.own.size)

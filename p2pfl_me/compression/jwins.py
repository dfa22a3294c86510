"""JWINS (Dhasade et al., "Get more for less in decentralized learning systems", ICDCS 2023).

The model goes through an orthonormal wavelet transform (Symlet 2, four levels, periodic); the coefficients that have
changed most since they were last sent on this edge travel with their values, a fraction of them that is drawn anew for
each round and direction from a shared list. The receiver fills the gaps with its own coefficients: a partial average
in the wavelet domain. Values travel as float16, indices as Elias gamma codes.

What an end sends, and so where the other corrects itself, is its own choice: correction_ij is not -correction_ji, and
the average of all models drifts. The drift is a random walk that stops with consensus; the paper accepts it and a test
measures it. In return the receiver needs no memory, and a lost exchange or state costs nothing but bytes.

The paper accumulates changes x(t+1) - x(t) and sets a coefficient's sum to zero when it is sent; that sum is its
distance from the value last sent, which is what is kept here. An edge's first payload is the whole model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pywt  # type: ignore[import-untyped]
from pydantic import Field

from p2pfl_me.compression import elias, sparse
from p2pfl_me.compression.compressor import Compression, EdgeState, Payload, Saved, Shapes
from p2pfl_me.compression.float16 import to_float16
from p2pfl_me.compression.limits import require_length, require_sane
from p2pfl_me.compression.streams import Edge
from p2pfl_me.errors import WeightsError, WireError
from p2pfl_me.message import Vector

WAVELET, MODE, LEVELS = "sym2", "periodization", 4
SHORTEST = 48
"""The least length that four levels of a filter of length 4 make sense for."""
ALL, SOME = b"\0", b"\1"
CUT_OFFS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 1.0)
"""Shares of the coefficients that JWINS sends, as in its authors' experiments: 0.343 of them on average."""


class Jwins(Compression):
    """`fractions`: the shared list of cut-offs, each in (0, 1], drawn from uniformly; a repeated one weighs more."""

    kind: Literal["jwins"] = "jwins"
    fractions: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(min_length=1, max_length=64)] = CUT_OFFS
    keeps_average: ClassVar[bool] = False

    def edge(
        self, me: int, other: int, seed: int, size: int, shapes: Shapes = (), base: Vector | None = None
    ) -> EdgeState:
        """See `Compression.edge`."""
        return _JwinsEdge(Edge(me, other, seed, size), self.fractions)

    def limit(self, size: int, shapes: Shapes = ()) -> int:
        """All coefficients, unless many indices take more."""
        length = padded(size)
        counts = {sparse.count_of(fraction, length) for fraction in self.fractions} - {length}
        return 1 + max(2 * length, *(sparse.most_bytes(count, length) for count in counts), 0)


class _JwinsEdge:
    def __init__(self, edge: Edge, fractions: tuple[float, ...]) -> None:
        self._edge = edge
        self._length = padded(edge.size)
        self._fractions = fractions
        self._last_sent: Vector | None = None

    def encode(self, round: int, own: Vector) -> bytes:
        coefficients = transform(own)
        count = self._count(round, self._edge.me)
        if self._last_sent is None or count == self._length:
            return ALL + to_float16(coefficients).tobytes()
        indices = sparse.largest(np.abs(coefficients - self._last_sent), count)
        return SOME + sparse.encode(indices, coefficients[indices])

    def check(self, round: int, payload: Payload) -> None:
        if bytes(memoryview(payload)[:1]) == ALL:
            require_length(payload, 1 + 2 * self._length)
            require_sane(np.frombuffer(payload, np.uint8, offset=1).view("<f2"))
        elif bytes(memoryview(payload)[:1]) == SOME:
            self._decode(round, payload, self._edge.other)
        else:
            raise WireError("a compressed model that is neither whole nor a part")

    def exchange(self, round: int, own: Vector, sent: Payload, received: Payload) -> Vector:
        coefficients = transform(own)
        indices, values = self._decode(round, received, self._edge.other)
        difference = np.zeros(self._length, np.float32)
        difference[indices] = values - coefficients[indices]
        indices, values = self._decode(round, sent, self._edge.me)
        if self._last_sent is None:
            self._last_sent = coefficients
        self._last_sent[indices] = coefficients[indices]
        return inverse(difference, self._edge.size)

    def _decode(self, round: int, payload: Payload, sender: int) -> tuple[elias.Indices | slice, Vector]:
        body = np.frombuffer(payload, np.uint8, offset=1)
        if bytes(memoryview(payload)[:1]) == ALL:
            return slice(None), body.view("<f2").astype(np.float32)
        return sparse.decode(body, self._count(round, sender), self._length)

    def _count(self, round: int, sender: int) -> int:
        """How many coefficients the sender's cut-off of this round lets through; both ends know it."""
        word = int(self._edge.words(1, "cut-off", round, sender)[0])
        return sparse.count_of(self._fractions[word % len(self._fractions)], self._length)

    def save(self) -> Saved:
        return {} if self._last_sent is None else {"last_sent": self._last_sent.copy()}

    def load(self, saved: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self._last_sent = None
        if not saved:
            return
        if {name: (array.shape, array.dtype.str) for name, array in saved.items()} != {
            "last_sent": ((self._length,), "<f4")
        }:
            raise WeightsError(
                "a compression memory of another kind or size",
                where=f"edge {self._edge.me}-{self._edge.other}",
                fix="resume with the contract that the checkpoint was written under",
            )
        self._last_sent = saved["last_sent"].astype(np.float32)


def padded(size: int) -> int:
    """The number of coefficients: a multiple of 2^levels, where the periodic transform is orthonormal."""
    step: int = 1 << LEVELS
    return max(SHORTEST, -(-size // step) * step)


def transform(model: Vector) -> Vector:
    """A model (P,) as wavelet coefficients (padded(P),) of the same norm."""
    filled = np.zeros(padded(model.size), np.float32)
    filled[: model.size] = model
    coefficients: Vector = np.concatenate(pywt.wavedec(filled, WAVELET, MODE, LEVELS))
    return coefficients


def inverse(coefficients: Vector, size: int) -> Vector:
    """The vector (size,) that the coefficients stand for."""
    coarsest = coefficients.size >> LEVELS
    cuts = [coarsest << level for level in range(LEVELS)]
    model: Vector = pywt.waverec(np.split(coefficients, cuts), WAVELET, MODE)[:size]
    return model

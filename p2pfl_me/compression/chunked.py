"""The largest changes of each chunk, at few bits a value, over replicas that feed the error back.

After SparseLoCo (Sarfi et al., arXiv 2508.15706), which sends 1 to 3 % of each chunk's pseudo-gradient at 2 bits and
keeps the rest as a decayed error. There all replicas of the model are one, so what is forgotten is forgotten by all. In
gossip they are not, and what decays would keep neighbours apart for ever; so here the error is the difference to what
the other end has been told (`replicas`), and nothing is forgotten.

A value is a sign and a magnitude (m + 1/2) s with bits - 1 binary digits m; the chunk's step s is the one with the
least squared error, found by turns with the m (Lloyd 1982), and travels as the upper half of a float32. One bit is thus
the sign times the mean magnitude (EF-SignSGD: Karimireddy et al., ICML 2019). Of a fraction of 1 all values travel in
order; otherwise their places follow, in Elias gamma code.
"""

from __future__ import annotations

import struct
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from p2pfl_me.compression import elias
from p2pfl_me.compression.blocks import rounded_up, scale_of
from p2pfl_me.compression.compressor import Compression, EdgeState, Shapes
from p2pfl_me.compression.replicas import Bytes, Places, ReplicaEdge, most_bytes
from p2pfl_me.compression.sparse import count_of
from p2pfl_me.compression.streams import Edge
from p2pfl_me.errors import WireError
from p2pfl_me.message import MAX_WEIGHT, Vector

CHUNK = 256
"""Values that share a step."""
TURNS = 3
"""Of step and magnitudes; more change the step by less than its two bytes can say."""
FIRST = {1: 2.0, 2: 1.248, 3: 0.735, 4: 0.420}
"""By bits, the step to begin with in mean magnitudes: the best for values of a normal distribution (Max 1960), and for
one bit for any."""
_LENGTH = struct.Struct("<I")
_SIGN = np.uint32(1 << 31)


class Chunked(Compression):
    """The `fraction` (0, 1] of each chunk of 256 values that changed most, at `bits` (1 to 4) a value, and the step
    `gamma` (0, 1] of the averaging; None stands for twice the fraction, and for 1 from a half on (see `TopK`).

    By default a half: a quarter sends less than `head` needs, which then ends below whole models (docs/compression.md).
    """

    kind: Literal["chunked"] = "chunked"
    fraction: Annotated[float, Field(gt=0, le=1)] = 0.5
    bits: Annotated[int, Field(ge=1, le=4)] = 2
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None
    remembers_edges: ClassVar[bool] = True

    @property
    def step(self) -> float:
        """The gamma that is in force."""
        return min(1.0, 2 * self.fraction) if self.gamma is None else self.gamma

    def edge(
        self, me: int, other: int, seed: int, size: int, shapes: Shapes = (), base: Vector | None = None
    ) -> EdgeState:
        """See `Compression.edge`."""
        return ReplicaEdge(Edge(me, other, seed, size), _Chunks(self, size), self.step, base)

    def limit(self, size: int, shapes: Shapes = ()) -> int:
        """A whole model in float16, unless steps, codes and places take more."""
        return most_bytes(_Chunks(self, size).most, size)


class _Chunks:
    """P values in rows of `CHUNK` and a shorter last one, which has its own share of places."""

    def __init__(self, settings: Chunked, size: int) -> None:
        self._size, self._bits = size, settings.bits
        self._levels = 1 << settings.bits - 1
        whole, short = divmod(size, CHUNK)
        self._rows = [(whole, CHUNK, count_of(settings.fraction, CHUNK))] if whole else []
        if short:
            self._rows.append((1, short, count_of(settings.fraction, short)))
        self._counts = np.repeat([count for _, _, count in self._rows], [rows for rows, _, _ in self._rows])
        self._count = int(self._counts.sum())
        self._chunks = len(self._counts)
        self._fixed = 2 * self._chunks + -(-self._count * self._bits // 8)
        self._places = 0 if self._count == size else _LENGTH.size + elias.most_bytes(self._count, size)
        self._largest = rounded_up(np.array([MAX_WEIGHT / (self._levels - 0.5)], np.float32))[0]

    @property
    def most(self) -> int:
        """The most bytes that `encode` gives."""
        return self._fixed + self._places

    def encode(self, change: Vector) -> bytes:
        steps, codes, places, begun = [], [], [], 0
        for rows, width, count in self._rows:
            values = change[begun : begun + rows * width].reshape(rows, width)
            if self._places:
                chosen = _largest_of(values, count)
                places.append(np.flatnonzero(chosen) + begun)
                values = values[chosen].reshape(rows, count)
            with np.errstate(all="ignore"):  # a model that has diverged: the other end refuses its step
                step = self._steps(np.abs(values))
                magnitudes = self._magnitudes(np.abs(values), scale_of(step))
            steps.append(step)
            codes.append((magnitudes + self._levels * np.signbit(values)).astype(np.uint8).ravel())
            begun += rows * width
        parts = [np.concatenate(steps).astype("<u2").tobytes(), self._packed(np.concatenate(codes))]
        if self._places:
            unary, lower = elias.encode(np.concatenate(places))
            parts += [_LENGTH.pack(len(unary)), unary, lower]
        return b"".join(parts)

    def decode(self, body: Bytes) -> tuple[Places, Vector]:
        least = self._fixed + (_LENGTH.size if self._places else 0)
        if not least <= body.size <= self.most:
            raise WireError(f"a chunked model of {body.size} bytes, where {least} to {self.most} are due")
        steps = body[: 2 * self._chunks].view("<u2")
        # Positive bfloat16 are ordered as their bits are; NaN, Inf and negative ones lie above any limit.
        if steps.max(initial=0) > self._largest:
            raise WireError(f"a chunk whose values may lie beyond {MAX_WEIGHT:g}")
        places = self._decoded_places(body[self._fixed :]) if self._places else slice(None)
        codes = self._unpacked(body[2 * self._chunks : self._fixed])
        values = ((codes & np.uint8(self._levels - 1)) + np.float32(0.5)).astype(np.float32)
        # An encoder takes its share of every chunk. Where another has taken more of one, the next one's step serves.
        values *= np.repeat(scale_of(steps), self._counts)
        np.negative(values, out=values, where=codes >= self._levels)
        return places, values

    def _decoded_places(self, coded: Bytes) -> npt.NDArray[np.int64]:
        (unary,) = _LENGTH.unpack(coded[: _LENGTH.size].tobytes())
        coded = coded[_LENGTH.size :]
        if unary > coded.size:
            raise WireError("a chunked model that is shorter than it says")
        return elias.decode(coded[:unary], coded[unary:], self._count, self._size)

    def _steps(self, sizes: Vector) -> npt.NDArray[np.uint16]:
        """Of each row's magnitudes (rows, count): the step of the least squared error, sums in float64."""
        step = (FIRST[self._bits] * sizes.mean(axis=1, dtype=np.float64)).astype(np.float32)
        for _ in range(TURNS if self._levels > 1 else 0):
            middles = self._magnitudes(sizes, step) + 0.5
            step = ((sizes * middles).sum(axis=1) / np.square(middles).sum(axis=1)).astype(np.float32)
        return rounded_up(step)

    def _magnitudes(self, sizes: Vector, step: Vector) -> npt.NDArray[np.float64]:
        if self._levels == 1:
            return np.zeros(sizes.shape)
        floors = np.floor(sizes / np.maximum(step, np.float32(2.0**-100))[:, None])
        found: npt.NDArray[np.float64] = np.clip(np.nan_to_num(floors), 0, self._levels - 1).astype(np.float64)
        return found

    def _packed(self, codes: npt.NDArray[np.uint8]) -> bytes:
        shifts = np.arange(self._bits, dtype=np.uint8)
        return np.packbits(codes[:, None] >> shifts & np.uint8(1), bitorder="little").tobytes()

    def _unpacked(self, packed: Bytes) -> npt.NDArray[np.uint8]:
        bits = np.unpackbits(packed, count=self._count * self._bits, bitorder="little").reshape(-1, self._bits)
        codes: npt.NDArray[np.uint8] = (bits << np.arange(self._bits, dtype=np.uint8)).sum(axis=1, dtype=np.uint8)
        return codes


def _largest_of(values: Vector, count: int) -> npt.NDArray[np.bool_]:
    """Where each row's `count` largest magnitudes lie; of equal ones those that come first. NaN counts as largest."""
    # Without a sign, float32 are ordered as their bits are.
    bits = np.ascontiguousarray(values).view(np.uint32) & ~_SIGN
    least = np.partition(bits, values.shape[1] - count, axis=1)[:, values.shape[1] - count, None]
    above, equal = bits > least, bits == least
    missing = count - np.count_nonzero(above, axis=1)[:, None]
    chosen: npt.NDArray[np.bool_] = above | equal & (np.cumsum(equal, axis=1) <= missing)
    return chosen

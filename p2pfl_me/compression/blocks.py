"""Few bits a value, with one scale a block: int8 (block of 256) and int4 (block of 64, two values a byte).

A block's step is s = absmax / (2^(bits-1) - 1/2), so that all 2^bits levels are used; it travels as the upper half of a
float32, rounded up. Rounding is to the nearest level of a grid that is shifted by a dither v in (-1/2, 1/2), and the
receiver takes the shift back (subtractive dither: Roberts 1962; Schuchman 1964). Both ends draw the same v from the
edge's seed. Why not plain rounding: differences below a step would never be mixed. Why not stochastic rounding without
subtraction: its error reaches a whole step, this one's stays within half a step, has mean zero and does not depend on
the value; and two equal models get the same codes, so a consensus stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from p2pfl_me.compression.compressor import Compression, EdgeState, Payload, Shapes, Stateless
from p2pfl_me.compression.limits import require_length
from p2pfl_me.compression.streams import Edge
from p2pfl_me.errors import WireError
from p2pfl_me.message import MAX_WEIGHT, Vector

PIECE = 1 << 14
"""Values that are worked on at a time: a few float32 pieces fit into a core's cache. A multiple of both blocks."""
SMALLEST_STEP = 2.0**-100
"""Keeps 1 / s finite for a block of zeros; nobody's weights live there."""

_UPPER = np.uint32(0xFFFF)


@dataclass(frozen=True, slots=True)
class _Format:
    bits: int
    block: int

    @property
    def half(self) -> float:
        """Half the number of levels."""
        return float(2 ** (self.bits - 1))

    def blocks(self, size: int) -> int:
        return -(-size // self.block)

    def bytes(self, size: int) -> int:
        """Two bytes a block, and the codes; the last block is filled up, so that both parts have whole blocks."""
        return self.blocks(size) * (2 + self.block * self.bits // 8)

    def pieces(self, size: int) -> Iterator[tuple[slice, slice, slice]]:
        """Places of a piece's blocks, of its values and of its code bytes."""
        at_a_time = PIECE // self.block
        for first in range(0, self.blocks(size), at_a_time):
            last = min(first + at_a_time, self.blocks(size))
            byte = self.block * self.bits // 8
            yield slice(first, last), slice(first * self.block, last * self.block), slice(first * byte, last * byte)


_INT8 = _Format(8, 256)
_INT4 = _Format(4, 64)


class Int8(Compression):
    """8 bits a value, 2 bytes a block of 256: about 4 times smaller."""

    kind: Literal["int8"] = "int8"

    def edge(
        self, me: int, other: int, seed: int, size: int, shapes: Shapes = (), base: Vector | None = None
    ) -> EdgeState:
        """See `Compression.edge`."""
        return _BlocksEdge(Edge(me, other, seed, size), _INT8)

    def limit(self, size: int, shapes: Shapes = ()) -> int:
        """Exactly 258 bytes for each block of 256 values that was begun."""
        return _INT8.bytes(size)


class Int4(Compression):
    """4 bits a value, 2 bytes a block of 64: about 7.5 times smaller."""

    kind: Literal["int4"] = "int4"

    def edge(
        self, me: int, other: int, seed: int, size: int, shapes: Shapes = (), base: Vector | None = None
    ) -> EdgeState:
        """See `Compression.edge`."""
        return _BlocksEdge(Edge(me, other, seed, size), _INT4)

    def limit(self, size: int, shapes: Shapes = ()) -> int:
        """Exactly 34 bytes for each block of 64 values that was begun."""
        return _INT4.bytes(size)


class _BlocksEdge(Stateless):
    def __init__(self, edge: Edge, format: _Format) -> None:
        super().__init__(edge)
        self._format = format

    def encode(self, round: int, own: Vector) -> bytes:
        form, size = self._format, self._edge.size
        payload = bytearray(form.bytes(size))
        scales, codes = self._parts(payload)
        dither = self._dither(round)
        values, shifted = np.empty(PIECE, np.float32), np.empty(PIECE, np.float32)
        for block, value, code in form.pieces(size):
            piece = own[value]
            if piece.size < value.stop - value.start:
                piece = np.concatenate([piece, np.zeros(value.stop - size, np.float32)])
            count = piece.size
            rows = values[:count].reshape(-1, form.block)
            np.abs(piece, out=values[:count])
            steps = rounded_up(rows.max(axis=1) / np.float32(form.half - 0.5))
            scales[block] = steps
            with np.errstate(all="ignore"):  # a model that has diverged: the other end refuses its scale
                np.multiply(piece.reshape(-1, form.block), 1 / scale_of(steps)[:, None], out=rows)
                values[:count] += self._shift(dither[value], shifted)
                levels = values[:count].astype(np.uint8)
            codes[code] = levels if form.bits == 8 else levels[::2] | levels[1::2] << np.uint8(4)
        return bytes(payload)

    def check(self, round: int, payload: Payload) -> None:
        require_length(payload, self._format.bytes(self._edge.size))
        scales, _ = self._parts(payload)
        # Positive bfloat16 are ordered as their bits are; NaN, Inf and negative ones lie above any limit.
        largest = rounded_up(np.array([MAX_WEIGHT / (self._format.half - 0.5)], np.float32))[0]
        if scales.max(initial=0) > largest:
            raise WireError(f"a compressed block whose values may lie beyond {MAX_WEIGHT:g}")

    def exchange(self, round: int, own: Vector, sent: Payload, received: Payload) -> Vector:
        form, size = self._format, self._edge.size
        correction = np.empty(form.blocks(size) * form.block, np.float32)
        dither = self._dither(round)
        mine, shifted = np.empty(PIECE, np.float32), np.empty(PIECE, np.float32)
        sides = [self._parts(received), self._parts(sent)]
        for block, value, code in form.pieces(size):
            theirs = correction[value]
            shift = self._shift(dither[value], shifted)
            shift -= np.float32(0.5)
            for (scales, codes), out in zip(sides, (theirs, mine[: theirs.size]), strict=True):
                if form.bits == 8:
                    np.subtract(codes[code], shift, out=out)
                else:
                    np.subtract(codes[code] & np.uint8(15), shift[::2], out=out[::2])
                    np.subtract(codes[code] >> np.uint8(4), shift[1::2], out=out[1::2])
                rows = out.reshape(-1, form.block)
                rows *= scale_of(scales[block])[:, None]
            theirs -= mine[: theirs.size]
        return correction[:size]

    def _parts(self, payload: Payload) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
        """A payload's scales, one a block, and its codes."""
        blocks = self._format.blocks(self._edge.size)
        return np.frombuffer(payload, "<u2", blocks), np.frombuffer(payload, np.uint8, offset=2 * blocks)

    def _dither(self, round: int) -> npt.NDArray[np.uint8]:
        """One byte a value: 256 shifts within a step leave a bias of at most a 512th of it."""
        count = self._format.blocks(self._edge.size) * self._format.block
        return self._edge.words(count // 8, "dither", round).astype("<u8", copy=False).view(np.uint8)

    def _shift(self, dither: npt.NDArray[np.uint8], out: Vector) -> Vector:
        """v + half: what is added before rounding down. From 1/512 to 2 half - 1/512 with the value itself."""
        shift = out[: dither.size]
        np.multiply(dither, np.float32(1 / 256), out=shift)
        shift += np.float32(self._format.half - 127.5 / 256)
        return shift


def rounded_up(steps: Vector) -> npt.NDArray[np.uint16]:
    """The upper halves of float32, so that none is smaller than its step."""
    bits = np.maximum(steps, np.float32(SMALLEST_STEP)).view(np.uint32)
    return ((bits + _UPPER) >> np.uint32(16)).astype(np.uint16)


def scale_of(upper: npt.NDArray[np.uint16]) -> Vector:
    """The steps that such halves stand for."""
    return (upper.astype(np.uint32) << np.uint32(16)).view(np.float32)

"""Numbers as whole words of 8, 16 or 32 bits whose sum wraps: what masks can hide without an error of their own.

A word is round(w x scale) modulo 2^bits. The scale is chosen so that no sum of the terms that may be added can pass
half the range: so the sum of words, read as a signed number, is the sum of the values but for their rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from p2pfl_me.message import Packed, Vector

Words = npt.NDArray[np.unsignedinteger[Any]]
_SIGNED: dict[int, Any] = {8: np.dtype("<i1"), 16: np.dtype("<i2"), 32: np.dtype("<i4")}
_UNSIGNED: dict[int, Any] = {8: np.dtype("<u1"), 16: np.dtype("<u2"), 32: np.dtype("<u4")}


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """Words of `bits` for values within `reach`, of which at most `terms` are added with weights that sum to 1 at most.

    With fewer than 32 bits a step is coarse beside a weight, so rounding is at random, up or down by how near each is:
    what is lost is then lost in no direction (`seed`). With 32 bits it is to the nearest.
    """

    bits: int
    reach: float
    terms: int

    @property
    def scale(self) -> float:
        """Words for one unit."""
        return float(2 ** (self.bits - 1) - 1 - self.terms) / self.reach

    @property
    def largest(self) -> float:
        """The largest value that a sum of words can stand for."""
        return float(2 ** (self.bits - 1)) / self.scale

    @property
    def error(self) -> float:
        """The most by which a sum of so many terms may miss, but for float32's own rounding."""
        return self.terms * (1.0 if self.bits < 32 else 0.5) / self.scale

    def words(self, values: Vector, weight: float, seed: int) -> Words:
        """`values`, float32 (P,), times `weight` as words. What lies beyond `reach` is cut to it."""
        step = np.float32(weight * self.scale)
        scaled = np.multiply(values, step, dtype=np.float32)
        np.clip(scaled, -self.reach * step, self.reach * step, out=scaled)
        if self.bits < 32:
            dither = np.random.Generator(np.random.Philox(seed)).random(scaled.size, np.float32)
            np.floor(np.add(scaled, dither, out=scaled), out=scaled)
        else:
            np.rint(scaled, out=scaled)
        return cast(Words, scaled.astype(_SIGNED[self.bits]).view(_UNSIGNED[self.bits]))

    def values(self, total: Words) -> Vector:
        """A sum of words as float32 (P,)."""
        return cast(Vector, np.multiply(total.view(_SIGNED[self.bits]), np.float32(1 / self.scale), dtype=np.float32))

    def from_bytes(self, data: bytes | memoryview | Packed) -> Words:
        """Words as they travelled, little-endian; not copied."""
        return cast(Words, np.frombuffer(data, _UNSIGNED[self.bits]))

    def nothing(self, size: int) -> Words:
        """A sum of no terms."""
        return cast(Words, np.zeros(size, _UNSIGNED[self.bits]))

    def bytes_of(self, size: int) -> int:
        """What `size` words take."""
        return size * self.bits // 8

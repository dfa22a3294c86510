"""Half precision: every value as an IEEE 754 float16, half the bytes.

For 6e-5 <= |w| <= 1e4 the relative error is at most 2^-11; below, the absolute error is at most 2^-25.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from p2pfl_me.compression.compressor import Compression, EdgeState, Payload, Shapes, Stateless
from p2pfl_me.compression.limits import require_length, require_sane
from p2pfl_me.compression.streams import Edge
from p2pfl_me.message import Vector


class Float16(Compression):
    """2 bytes a value."""

    kind: Literal["float16"] = "float16"

    def edge(
        self, me: int, other: int, seed: int, size: int, shapes: Shapes = (), base: Vector | None = None
    ) -> EdgeState:
        """See `Compression.edge`."""
        return _Float16Edge(Edge(me, other, seed, size))

    def limit(self, size: int, shapes: Shapes = ()) -> int:
        """Exactly 2 P bytes."""
        return 2 * size


class _Float16Edge(Stateless):
    def encode(self, round: int, own: Vector) -> bytes:
        return to_float16(own).tobytes()

    def check(self, round: int, payload: Payload) -> None:
        require_length(payload, 2 * self._edge.size)
        require_sane(np.frombuffer(payload, "<f2"))

    def exchange(self, round: int, own: Vector, sent: Payload, received: Payload) -> Vector:
        theirs = np.frombuffer(received, "<f2").astype(np.float32)
        theirs -= np.frombuffer(sent, "<f2")
        return theirs


def to_float16(values: Vector) -> npt.NDArray[np.float16]:
    """Rounded to nearest; what is too large becomes infinite, which the other end refuses."""
    with np.errstate(over="ignore"):
        return values.astype("<f2")

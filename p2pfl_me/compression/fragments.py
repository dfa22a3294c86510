"""A random part of the model a round, in full precision; no index travels.

Both ends derive the same subset from (seed, edge, round). In every cycle of `parts` rounds a fresh permutation of small
chunks is dealt out, so that each value's chance is 1 / parts in every round and each value's turn comes exactly once a
cycle (after DivShare's fragments, Biswas et al., WWW 2025; drawing without replacement instead of independently).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from p2pfl_me.compression.compressor import Compression, EdgeState, Payload, Shapes, Stateless
from p2pfl_me.compression.limits import require_length, require_sane
from p2pfl_me.compression.streams import Edge
from p2pfl_me.message import Vector

CHUNK = 64
"""Values that are drawn together: 256 bytes, so that gathering moves whole cache lines."""


class Fragments(Compression):
    """One of `parts` equal parts a round, `parts` times smaller. At least 2 parts."""

    kind: Literal["fragments"] = "fragments"
    sends_part: ClassVar[bool] = True
    parts: Annotated[int, Field(ge=2, le=1000)] = 4

    def edge(
        self, me: int, other: int, seed: int, size: int, shapes: Shapes = (), base: Vector | None = None
    ) -> EdgeState:
        """See `Compression.edge`."""
        return _FragmentsEdge(Edge(me, other, seed, size), self.parts)

    def limit(self, size: int, shapes: Shapes = ()) -> int:
        """At most one chunk of 256 bytes more than 4 P / parts."""
        return 4 * min(size, CHUNK * -(-_chunks(size) // self.parts))


class _FragmentsEdge(Stateless):
    def __init__(self, edge: Edge, parts: int) -> None:
        super().__init__(edge)
        self._parts = parts

    def encode(self, round: int, own: Vector) -> bytes:
        chosen = self._chosen(round)
        whole = own[: self._whole * CHUNK].reshape(-1, CHUNK)
        if chosen.size and chosen[-1] == self._whole:
            return whole[chosen[:-1]].tobytes() + own[self._whole * CHUNK :].tobytes()
        return whole[chosen].tobytes()

    def check(self, round: int, payload: Payload) -> None:
        chosen = self._chosen(round)
        short = _chunks(self._edge.size) * CHUNK - self._edge.size
        has_last = chosen.size and chosen[-1] == self._whole
        require_length(payload, 4 * (chosen.size * CHUNK - (short if has_last else 0)))
        require_sane(np.frombuffer(payload, "<f4"))

    def exchange(self, round: int, own: Vector, sent: Payload, received: Payload) -> Vector:
        chosen = self._chosen(round)
        difference = np.frombuffer(received, "<f4") - np.frombuffer(sent, "<f4")
        correction = np.zeros(self._edge.size, np.float32)
        if chosen.size and chosen[-1] == self._whole:
            chosen = chosen[:-1]
            correction[self._whole * CHUNK :] = difference[chosen.size * CHUNK :]
        whole = correction[: self._whole * CHUNK].reshape(-1, CHUNK)
        whole[chosen] = difference[: chosen.size * CHUNK].reshape(-1, CHUNK)
        return correction

    @property
    def _whole(self) -> int:
        """How many chunks are full; the chunk of this number, if there is one, is the short last one."""
        return self._edge.size // CHUNK

    def _chosen(self, round: int) -> npt.NDArray[np.int64]:
        """This round's chunks in ascending order."""
        cycle, turn = divmod(round, self._parts)
        chunks = _chunks(self._edge.size)
        # A number's low bits hold its chunk: so all keys differ, and any sort gives the same order.
        low = np.uint64((1 << chunks.bit_length()) - 1)
        keys = self._edge.words(chunks, "cycle", cycle) & ~low | np.arange(chunks, dtype=np.uint64)
        keys.sort()
        dealt = keys[turn * chunks // self._parts : (turn + 1) * chunks // self._parts] & low
        return np.sort(dealt.astype(np.int64))


def _chunks(size: int) -> int:
    return -(-size // CHUNK)

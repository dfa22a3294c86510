"""CHOCO gossip with top-k (Koloskova, Stich, Jaggi, ICML 2019; Koloskova et al., ICLR 2020), one memory an edge.

Both ends keep replicas of what each has told the other, h_i and h_j. A payload is the k largest entries of x_i - h_i;
both ends add it to their copy of h_i, so what was left out (or lost to float16) is sent later: error feedback. The
correction is gamma (h_j - h_i). The paper keeps one h_i for all neighbours; one for each edge costs 2 P values an edge
and stays right when edges fail or change from round to round.

The first payload of an edge, and the first after its ends have fallen out of step, is the whole model in float16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from p2pfl_me.compression import sparse
from p2pfl_me.compression.compressor import Compression, EdgeState, Payload, Saved, Shapes
from p2pfl_me.compression.float16 import to_float16
from p2pfl_me.compression.history import EMPTY, TAG, next_tag, tag_of
from p2pfl_me.compression.limits import require_length, require_sane
from p2pfl_me.compression.streams import Edge
from p2pfl_me.errors import WeightsError, WireError
from p2pfl_me.message import Vector


class TopK(Compression):
    """The `fraction` (0, 1] of the entries that changed most, and the step `gamma` (0, 1] of the averaging.

    A larger gamma mixes faster and diverges sooner: the smaller the fraction, the smaller it must be. None stands for
    twice the fraction, which is about the fastest that converged on rings of unrelated models, the hardest case
    (measured for fractions of 0.01, 0.1 and 0.25); models that differ in few values bear more.
    """

    kind: Literal["topk"] = "topk"
    fraction: Annotated[float, Field(gt=0, le=1)] = 0.1
    gamma: Annotated[float, Field(gt=0, le=1)] | None = None
    remembers_edges: ClassVar[bool] = True

    @property
    def step(self) -> float:
        """The gamma that is in force."""
        return min(1.0, 2 * self.fraction) if self.gamma is None else self.gamma

    def edge(self, me: int, other: int, seed: int, size: int, shapes: Shapes = ()) -> EdgeState:
        """See `Compression.edge`."""
        return _TopKEdge(Edge(me, other, seed, size), self)

    def limit(self, size: int, shapes: Shapes = ()) -> int:
        """A whole model in float16, unless many indices take more."""
        return TAG + max(2 * size, sparse.most_bytes(sparse.count_of(self.fraction, size), size))


class _TopKEdge:
    def __init__(self, edge: Edge, settings: TopK) -> None:
        self._edge = edge
        self._count = sparse.count_of(settings.fraction, edge.size)
        self._gamma = np.float32(settings.step)
        self._forget()

    def _forget(self) -> None:
        self._tag = EMPTY
        self._own = self._theirs = np.zeros(0, np.float32)

    def encode(self, round: int, own: Vector) -> bytes:
        if self._tag == EMPTY:
            return EMPTY + to_float16(own).tobytes()
        change = own - self._own
        indices = sparse.largest(np.abs(change), self._count)
        return self._tag + sparse.encode(indices, change[indices])

    def check(self, round: int, payload: Payload) -> None:
        body = _body(payload)
        if tag_of(payload) == EMPTY:
            require_length(payload, TAG + 2 * self._edge.size)
            require_sane(body.view("<f2"))
            return
        indices, values = sparse.decode(body, self._count, self._edge.size)
        if tag_of(payload) == self._tag:
            # Each change may be sane and their sum not.
            require_sane(self._theirs[indices] + values)

    def exchange(self, round: int, own: Vector, sent: Payload, received: Payload) -> Vector:
        if tag_of(sent) != tag_of(received):
            self._forget()
            return np.zeros(self._edge.size, np.float32)
        if self._tag == EMPTY:
            self._own = _body(sent).view("<f2").astype(np.float32)
            self._theirs = _body(received).view("<f2").astype(np.float32)
        else:
            mine, theirs = (sparse.decode(_body(one), self._count, self._edge.size) for one in (sent, received))
            for replica, (indices, values) in ((self._own, mine), (self._theirs, theirs)):
                replica[indices] += values
        self._tag = next_tag(self._edge, sent, received)
        correction = self._theirs - self._own
        correction *= self._gamma
        return correction

    def save(self) -> Saved:
        if self._tag == EMPTY:
            return {}
        return {"tag": np.frombuffer(self._tag, np.uint8), "own": self._own.copy(), "theirs": self._theirs.copy()}

    def load(self, saved: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self._forget()
        if not saved:
            return
        shapes = {name: (array.shape, array.dtype.str) for name, array in saved.items()}
        vector = ((self._edge.size,), "<f4")
        if shapes != {"tag": ((TAG,), "|u1"), "own": vector, "theirs": vector}:
            raise WeightsError(
                "a compression memory of another kind or size",
                where=f"edge {self._edge.me}-{self._edge.other}",
                fix="resume with the contract that the checkpoint was written under",
            )
        self._tag = saved["tag"].tobytes()
        self._own = saved["own"].astype(np.float32)
        self._theirs = saved["theirs"].astype(np.float32)


def _body(payload: Payload) -> npt.NDArray[np.uint8]:
    if memoryview(payload).nbytes < TAG:
        raise WireError("a compressed model without its tag")
    return np.frombuffer(payload, np.uint8, offset=TAG)

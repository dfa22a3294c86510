"""The memory of CHOCO gossip (Koloskova, Stich, Jaggi, ICML 2019; Koloskova et al., ICLR 2020), one an edge.

Both ends keep replicas of what each has told the other, h_i and h_j. A payload is a coded change x_i - h_i; both ends
add what it says to their copy of h_i, so what was left out or lost to few bits is in the next change again: error
feedback. The correction is gamma (h_j - h_i). The paper keeps one h_i for all neighbours; one for each edge costs 2 P
values an edge and stays right when edges fail.

The replicas begin with the model that all peers begin with, where both ends know it: the first change is then as small
as any. Otherwise, and after the ends have fallen out of step, the first payload is the whole model in float16.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from p2pfl_me.compression.compressor import Payload, Saved
from p2pfl_me.compression.float16 import to_float16
from p2pfl_me.compression.history import EMPTY, TAG, next_tag, tag_of
from p2pfl_me.compression.limits import require_length, require_sane
from p2pfl_me.compression.streams import Edge
from p2pfl_me.errors import WeightsError, WireError
from p2pfl_me.message import Vector

Places = npt.NDArray[np.int64] | slice
Bytes = npt.NDArray[np.uint8]


class Coder(Protocol):
    """How a change, float32 (P,), becomes bytes."""

    def encode(self, change: Vector) -> bytes:
        """The same change gives the same bytes."""

    def decode(self, body: Bytes) -> tuple[Places, Vector]:
        """Which values change, and by how much.

        Raises
        ------
        WireError
            Anything that `encode` cannot have written for a sane change; found before memory is taken.
        """


def most_bytes(coded: int, size: int) -> int:
    """The most bytes of a payload: a whole model in float16, unless `coded`, the most that a coder gives, is more."""
    return TAG + max(2 * size, coded)


class ReplicaEdge:
    """One end of an edge; `base` is the model that the other end begins with, too, float32 (P,)."""

    def __init__(self, edge: Edge, coder: Coder, gamma: float, base: Vector | None = None) -> None:
        self._edge, self._coder = edge, coder
        self._gamma = np.float32(gamma)
        self._forget()
        if base is not None:
            self._tag = hashlib.blake2b(base.tobytes(), digest_size=TAG).digest()
            self._own, self._theirs = base.copy(), base.copy()

    def _forget(self) -> None:
        self._tag = EMPTY
        self._own = self._theirs = np.zeros(0, np.float32)

    def encode(self, round: int, own: Vector) -> bytes:
        if self._tag == EMPTY:
            return EMPTY + to_float16(own).tobytes()
        return self._tag + self._coder.encode(own - self._own)

    def check(self, round: int, payload: Payload) -> None:
        body = _body(payload)
        if tag_of(payload) == EMPTY:
            require_length(payload, TAG + 2 * self._edge.size)
            require_sane(body.view("<f2"))
            return
        places, values = self._coder.decode(body)
        if tag_of(payload) == self._tag:
            # Each change may be sane and their sum not.
            require_sane(self._theirs[places] + values)

    def exchange(self, round: int, own: Vector, sent: Payload, received: Payload) -> Vector:
        if tag_of(sent) != tag_of(received):
            self._forget()
            return np.zeros(self._edge.size, np.float32)
        if self._tag == EMPTY:
            self._own = _body(sent).view("<f2").astype(np.float32)
            self._theirs = _body(received).view("<f2").astype(np.float32)
        else:
            mine, theirs = (self._coder.decode(_body(one)) for one in (sent, received))
            for replica, (places, values) in ((self._own, mine), (self._theirs, theirs)):
                replica[places] += values
        self._tag = next_tag(self._edge, sent, received)
        correction = self._theirs - self._own
        correction *= self._gamma
        return correction

    def save(self) -> Saved:
        if self._tag == EMPTY:
            return {}
        return {"tag": np.frombuffer(self._tag, np.uint8), "own": self._own.copy(), "theirs": self._theirs.copy()}

    def load(self, saved: Mapping[str, npt.NDArray[np.generic]]) -> None:
        if not saved:
            return
        self._forget()
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


def _body(payload: Payload) -> Bytes:
    if memoryview(payload).nbytes < TAG:
        raise WireError("a compressed model without its tag")
    return np.frombuffer(payload, np.uint8, offset=TAG)

"""D-PSGD's exchange where every neighbour gets the model under noise of its own, and the average of all stays.

An edge adds x_i += W_ij (theirs as it came - mine as I sent it). What one end adds is the other's with the sign turned,
to the bit, whatever noise was on it; so an edge that failed takes nothing along, and the average of all models is kept
as without noise, but for the rounding of the additions. What the peer has laid over its own model it so takes back at
home: nothing but the share that stays there if all exchanges came about, and what was meant for the others where one
failed. Then that much more noise lies over this peer's next model, and wears off as rounds mix it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, cast

import numpy as np

from p2pfl_me.aggregation import Mixture
from p2pfl_me.gossip.exchange import Content
from p2pfl_me.gossip.protocol import NOTHING, Memory
from p2pfl_me.message import Vector


class OwnNoise(Protocol):
    """What lays noise over a model, another one for each neighbour."""

    def over(self, round: int, own: Vector, row: Mapping[int, float]) -> dict[int, Vector]:
        """What each neighbour of a round gets."""


class ZeroSumEdges:
    """One peer's edges. `weights_at`: a round's weights of its neighbours."""

    def __init__(self, noise: OwnNoise, weights_at: Callable[[int], Mapping[int, float]]) -> None:
        self._noise, self._weights_at = noise, weights_at
        self._round, self._made = -1, dict[int, Vector]()

    def pack(self, peer: int, round: int, own: Vector) -> Content:
        if round != self._round:
            self._round, self._made = round, self._noise.over(round, own, self._weights_at(round))
        return self._made[peer]

    def fault(self, peer: int, round: int, content: Content) -> str | None:
        return None if content.dtype == np.float32 else "a compressed model where a whole one was due"

    def average(
        self, own: Vector, row: Mapping[int, float], round: int, sent: Mapping[int, Content], got: Mapping[int, Content]
    ) -> Mixture:
        mixed, distance = own.copy(), {}
        norm = float(np.linalg.norm(own)) or 1.0
        for peer in sorted(got):
            distance[peer] = float(np.linalg.norm(cast(Vector, got[peer]) - own)) / norm
            mixed += self.correction(peer, round, row[peer], own, sent[peer], got[peer])
        self._round, self._made = -1, {}
        return Mixture(mixed, distance, {peer: row[peer] for peer in distance})

    def correction(self, peer: int, round: int, weight: float, own: Vector, sent: Content, got: Content) -> Vector:
        return np.float32(weight) * (cast(Vector, got) - cast(Vector, sent))

    def memory(self) -> Memory:
        return NOTHING

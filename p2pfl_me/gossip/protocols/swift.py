"""SWIFT: wait-free mixing with the last known models (Bornstein et al., ICLR 2023)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from p2pfl_me.aggregation import mix
from p2pfl_me.gossip.kind import ProtocolKind, Seat
from p2pfl_me.gossip.protocol import NOTHING, Memory, Protocol, Refuse, Send
from p2pfl_me.gossip.waitfree import Merged, waitfree_core
from p2pfl_me.message import Kind, Message, Vector


class SwiftProtocol(ProtocolKind):
    kind: Literal["swift"] = "swift"
    within_hull: ClassVar[bool] = True

    def core(self, seat: Seat) -> Protocol:
        return waitfree_core(seat, Swift(seat.peer, seat.row))


class Swift:
    """After each local training: tell all neighbours of the round, average with what they last told.

    Rows are those of the mixing matrix. Where all peers have equally many neighbours, these are the coefficients that
    the paper's selection (CCS) arrives at for peers of equal influence; elsewhere that would give more to neighbours
    of low degree, after an exchange of coefficients that Metropolis-Hastings does without. Models of different ages
    meet, so the average of all peers drifts; how far is measured, not promised. A neighbour that was never heard of,
    or is gone, leaves its weight to the peer (in the authors' code the common first model stands in).
    """

    waits: ClassVar[bool] = False

    def __init__(self, me: int, weights_at: Callable[[int], Mapping[int, float]]) -> None:
        self._me, self._weights_at = me, weights_at
        self._known: dict[int, tuple[int, Vector]] = {}
        self._own = np.empty(0, np.float32)

    def trained(self, round: int, start: Vector, params: Vector, there: frozenset[int]) -> list[Send]:
        self._own = params
        message = Message(Kind.PUSH, round, round, params)
        return [Send(peer, message) for peer in sorted(self._weights_at(round)) if peer in there]

    def due(self, round: int) -> Mapping[int, bool]:
        return {}

    def merge(self, round: int) -> Merged:
        row = self._weights_at(round)
        models = {peer: model for peer, (_, model) in self._known.items() if peer in row}
        mixture = mix(self._me, self._own, row, models)
        return Merged(mixture.params, {peer: row[peer] for peer in sorted(models)}, mixture.distance)

    def take(self, sender: int, message: Message, params: Vector) -> Sequence[Send | Refuse]:
        known = self._known.get(sender)
        if message.kind is Kind.PUSH and message.params is not None and (known is None or known[0] <= message.round):
            self._known[sender] = message.round, message.params
        return []

    def lost(self, peer: int) -> None:
        self._known.pop(peer, None)

    def memory(self) -> Memory:
        return NOTHING

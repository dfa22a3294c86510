"""What a neighbour gets to see, as it travels: a core whose messages are noted, changed in nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from p2pfl_me.choice import derive_seed
from p2pfl_me.compression import EdgeState
from p2pfl_me.contract import Contract
from p2pfl_me.gossip.exchange import Content
from p2pfl_me.gossip.protocol import Action, Protocol, Send
from p2pfl_me.gossip.rounds import by_part
from p2pfl_me.gossip.slices import values_of
from p2pfl_me.gossip.wrapped import Wrapped
from p2pfl_me.message import Kind, Packed, Vector
from p2pfl_me.topology import Schedule
from p2pfl_me.topology.submodels import Dealt

Told = npt.NDArray[np.bool_]
Shown = dict[tuple[int, int, int], Content]
"""(receiver, sender, round) -> the model that was sent, float32 (E,) or as it was packed."""


class Overheard(Wrapped):
    """`core` of `peer`; the models that it sends are noted in `shown`."""

    def __init__(self, core: Protocol, peer: int, shown: Shown) -> None:
        super().__init__(core)
        self._peer, self._shown = peer, shown

    def _out(self, actions: Sequence[Action]) -> list[Action]:
        for each in actions:
            if isinstance(each, Send) and each.message.kind in (Kind.OFFER, Kind.ANSWER):
                content = each.message.content
                if content is not None:
                    self._shown[each.to, self._peer, each.message.round] = content
        return list(actions)


class Pieced:
    """What the neighbour `me` makes of the parts of others' models that it is sent: each value as it came last, and as
    its own model has it where none ever came."""

    def __init__(self, contract: Contract, plan: Schedule, me: int) -> None:
        self._contract, self._me, self._neighbours = contract, me, plan.neighbours(me)
        self._dealt = Dealt(contract, plan) if contract.privacy.exchange.parts_only else None
        self._edges: dict[int, EdgeState] = {}
        self._known: dict[int, tuple[Vector, Told]] = {}

    def of(self, sender: int, round: int, packed: Packed, own: Vector) -> Vector:
        """The sender's model as far as it is known after this round, float32 (E,), beside the neighbour's own."""
        size = own.size
        values, came = self._known.setdefault(sender, (np.zeros(size, np.float32), np.zeros(size, np.bool_)))
        if self._dealt is not None:
            told = np.zeros(size, np.bool_)
            told[by_part(self._contract, self._dealt, self._me, self._neighbours, size)[sender]] = True
            values[told] = values_of(packed)
        else:
            told = self._unpacked(sender, round, packed, values)
        came |= told
        pieced: Vector = np.where(came, values, own)
        return pieced

    def _unpacked(self, sender: int, round: int, packed: Packed, values: Vector) -> Told:
        """Put what a compressed part says into `values`; which of them it says."""
        compression, size = self._contract.gossip.compression, values.size
        assert compression is not None and compression.sends_part
        if sender not in self._edges:
            seed = derive_seed(self._contract.seed, "compression")
            self._edges[sender] = compression.edge(self._me, sender, seed, size)
        edge, nothing = self._edges[sender], np.zeros(size, np.float32)
        silence = edge.encode(round, nothing)
        told: Told = edge.exchange(round, nothing, silence, edge.encode(round, np.ones(size, np.float32))) != 0
        values[told] = edge.exchange(round, nothing, silence, packed.data.cast("B"))[told]
        return told

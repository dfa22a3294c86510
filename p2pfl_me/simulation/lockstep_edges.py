"""Edges that carry something else than whole models, in lockstep: both ends as real peers keep them, one after the
other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from p2pfl_me.aggregation import Mixture
from p2pfl_me.contract import Contract
from p2pfl_me.gossip.exchange import Content
from p2pfl_me.gossip.kind import Start
from p2pfl_me.gossip.rounds import exchange_of
from p2pfl_me.message import Vector
from p2pfl_me.topology import Schedule


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A round of all peers: what each made of its neighbours, by peer, and what travelled, by (sender, receiver)."""

    mixtures: tuple[Mixture, ...] = field(repr=False)
    contents: Mapping[tuple[int, int], Content] = field(repr=False)


def goes_over_edges(contract: Contract) -> bool:
    """Whether something else than whole models is exchanged, so that no product with a matrix is the round's mixing."""
    return contract.gossip.compression is not None or contract.privacy.exchange.parts_only


class LockstepEdges:
    """All peers of a contract with a compression or with sub-models; each begins from `start`."""

    def __init__(self, contract: Contract, schedule: Schedule, start: Start) -> None:
        self._schedule = schedule
        self._sides = [exchange_of(contract, schedule, peer, start) for peer in range(schedule.size)]

    def exchange(self, round: int, exchanged: Vector) -> Exchanged:
        """One exchange over the round's edges of what peers exchange, float32 (n, E), which stays as it is."""
        rows = [self._schedule.weights(peer, round) for peer in range(self._schedule.size)]
        contents = {
            (peer, other): self._sides[peer].pack(other, round, exchanged[peer])
            for peer, row in enumerate(rows)
            for other in row
        }
        mixtures = []
        for peer, row in enumerate(rows):
            sent = {other: contents[peer, other] for other in row}
            got = {other: contents[other, peer] for other in row}
            mixtures.append(self._sides[peer].average(exchanged[peer], row, round, sent, got))
        return Exchanged(tuple(mixtures), contents)

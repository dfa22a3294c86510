"""Who exchanges with whom in which round, and with which weight: the one seam between topologies and protocols.

Today's schedule is the same in every round; graphs that change from round to round come behind the same interface.
Nothing here needs an n x n matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import networkx as nx

from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.graph import build_graph
from p2pfl_me.topology.mixing import metropolis_hastings


@dataclass(frozen=True, slots=True)
class Edge:
    """Peers `a` < `b` exchange, and each gives the other's model `weight` in (0, 1)."""

    a: int
    b: int
    weight: float


class Schedule(Protocol):
    """Symmetric mixing weights of every round, the same for all who ask.

    In each round a peer's weights sum to less than 1; what is missing is its own.
    """

    @property
    def size(self) -> int:
        """How many peers there are; their ids are 0..size-1."""

    @property
    def period(self) -> int:
        """edges(r) == edges(r + period) for every round r >= 0."""

    def edges(self, round: int) -> tuple[Edge, ...]:
        """The edges of one round, sorted by (a, b)."""

    def neighbours(self, peer: int) -> tuple[int, ...]:
        """All that `peer` meets in any round, sorted: the links it must hold open.

        Raises
        ------
        ContractError
            No such peer.
        """

    def weights(self, peer: int, round: int) -> Mapping[int, float]:
        """W_ij of one round for each neighbour j of `peer`, sorted by id, without its own W_ii.

        Raises
        ------
        ContractError
            No such peer.
        """


class StaticSchedule:
    """The same graph in every round, with Metropolis-Hastings weights."""

    def __init__(self, graph: nx.Graph) -> None:
        rows: dict[int, dict[int, float]] = {peer: {} for peer in sorted(graph.nodes)}
        if list(rows) != list(range(len(rows))):
            raise ValueError(f"peers are 0..{len(rows) - 1}, each once; the graph has others")
        weights = metropolis_hastings(graph)
        for (a, b), weight in weights.items():
            rows[a][b] = rows[b][a] = weight
        self._edges = tuple(Edge(a, b, weight) for (a, b), weight in weights.items())
        self._rows = [MappingProxyType(dict(sorted(rows[peer].items()))) for peer in rows]

    @property
    def size(self) -> int:
        return len(self._rows)

    @property
    def period(self) -> int:
        return 1

    def edges(self, round: int) -> tuple[Edge, ...]:
        return self._edges

    def neighbours(self, peer: int) -> tuple[int, ...]:
        return tuple(self._row(peer))

    def weights(self, peer: int, round: int) -> Mapping[int, float]:
        return self._row(peer)

    def _row(self, peer: int) -> Mapping[int, float]:
        if not 0 <= peer < self.size:
            raise ContractError(f"peer {peer} is not in the graph", where="topology", fix=f"ids are 0..{self.size - 1}")
        return self._rows[peer]


def schedule_of(contract: Contract) -> Schedule:
    """The schedule that all peers of a contract follow.

    Raises
    ------
    ContractError
        The topology cannot be built on the contract's peers.
    """
    return StaticSchedule(build_graph(contract.topology, contract.peers.count))

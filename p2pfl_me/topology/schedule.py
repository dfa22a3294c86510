"""Who exchanges with whom in which round, and with which weight: the one seam between topologies and protocols.

Graphs that stand and graphs that change from round to round lie behind one interface. Nothing here needs an n x n
matrix; the edges of a round are made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import networkx as nx

from p2pfl_me.errors import ContractError
from p2pfl_me.topology.density import require_few_edges
from p2pfl_me.topology.enough import require_circles, require_neighbours
from p2pfl_me.topology.kind import Weigh
from p2pfl_me.topology.mixing import metropolis_hastings
from p2pfl_me.topology.submodels import require_parts

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract


KEPT_PEERS = 1 << 19
"""Peers of all rounds together whose edges a changing graph keeps at hand, 64 rounds at most."""


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
    def period(self) -> int | None:
        """edges(r) == edges(r + period) for every round r >= 0; None if they never repeat."""

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
    """The same graph in every round, with the weights that `weigh` gives its edges."""

    def __init__(self, graph: nx.Graph, weigh: Weigh = metropolis_hastings) -> None:
        rows: dict[int, dict[int, float]] = {peer: {} for peer in sorted(graph.nodes)}
        if list(rows) != list(range(len(rows))):
            raise ValueError(f"peers are 0..{len(rows) - 1}, each once; the graph has others")
        weights = weigh(graph)
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
        return self._rows[require_peer(peer, self.size)]


class CompleteSchedule:
    """All are neighbours in every round, to the bits of Metropolis-Hastings: 1 / n each. Only the n ids are held.

    A graph of it would take a gigabyte for 2,000 peers; a peer needs its own row, whose values are all alike.
    """

    def __init__(self, size: int) -> None:
        self._size, self._weight = size, 1.0 / size
        self._ids = tuple(range(size))
        self._last = lru_cache(maxsize=1)(self._all)

    @property
    def size(self) -> int:
        return self._size

    @property
    def period(self) -> int:
        return 1

    def edges(self, round: int) -> tuple[Edge, ...]:
        return self._last()

    def neighbours(self, peer: int) -> tuple[int, ...]:
        require_peer(peer, self._size)
        return self._ids[:peer] + self._ids[peer + 1 :]

    def weights(self, peer: int, round: int) -> Mapping[int, float]:
        return _AllOthers(require_peer(peer, self._size), self._size, self._weight)

    def _all(self) -> tuple[Edge, ...]:
        return tuple(Edge(a, b, self._weight) for a in range(self._size) for b in range(a + 1, self._size))


class _AllOthers(Mapping[int, float]):
    """0..size-1 without `peer`, in order, each with the same weight: a row that is asked for at every message."""

    def __init__(self, peer: int, size: int, weight: float) -> None:
        self._peer, self._size, self._weight = peer, size, weight

    def __getitem__(self, other: int) -> float:
        if other == self._peer or other not in range(self._size):
            raise KeyError(other)
        return self._weight

    def __iter__(self) -> Iterator[int]:
        return (other for other in range(self._size) if other != self._peer)

    def __len__(self) -> int:
        return self._size - 1


class ChangingSchedule:
    """Other edges in every round.

    Parameters
    ----------
    edges_of:
        round -> its edges, sorted; rounds of a period are asked for as 0..period-1.
    met:
        peer -> everyone whom it meets in some round, sorted.
    """

    def __init__(
        self,
        size: int,
        period: int | None,
        edges_of: Callable[[int], tuple[Edge, ...]],
        met: Callable[[int], tuple[int, ...]],
    ) -> None:
        self._size, self._period, self._met = size, period, met
        # A peer asks for a few rounds at a time: its own, and those that neighbours ahead or behind speak of. A round
        # of a hundred thousand peers takes tens of megabytes.
        kept = max(2, min(64, KEPT_PEERS // size))
        self._edges_of = lru_cache(maxsize=kept)(edges_of)
        self._rows_of = lru_cache(maxsize=kept)(self._rows)

    @property
    def size(self) -> int:
        return self._size

    @property
    def period(self) -> int | None:
        return self._period

    def edges(self, round: int) -> tuple[Edge, ...]:
        return self._edges_of(round % self._period if self._period else round)

    def neighbours(self, peer: int) -> tuple[int, ...]:
        return self._met(require_peer(peer, self._size))

    def weights(self, peer: int, round: int) -> Mapping[int, float]:
        rows = self._rows_of(round % self._period if self._period else round)
        return rows.get(require_peer(peer, self._size), _ALONE)

    def _rows(self, round: int) -> dict[int, Mapping[int, float]]:
        rows: dict[int, dict[int, float]] = {}
        for edge in self.edges(round):
            rows.setdefault(edge.a, {})[edge.b] = edge.weight
            rows.setdefault(edge.b, {})[edge.a] = edge.weight
        return {peer: MappingProxyType(dict(sorted(row.items()))) for peer, row in rows.items()}


_ALONE: Mapping[int, float] = MappingProxyType({})


class RankedSchedule:
    """A schedule of ranks, for peers whose ids have gaps: `ids[k]` has rank k, those who have left meet nobody."""

    def __init__(self, inner: Schedule, ids: tuple[int, ...], size: int) -> None:
        self._inner, self._ids, self._size = inner, ids, size
        self._ranks = {peer: rank for rank, peer in enumerate(ids)}

    @property
    def of_ranks(self) -> Schedule:
        """Of those who are there alone, as ranks: what figures of a graph are taken from."""
        return self._inner

    @property
    def ids(self) -> tuple[int, ...]:
        return self._ids

    @property
    def size(self) -> int:
        return self._size

    @property
    def period(self) -> int | None:
        return self._inner.period

    def edges(self, round: int) -> tuple[Edge, ...]:
        return tuple(Edge(self._ids[edge.a], self._ids[edge.b], edge.weight) for edge in self._inner.edges(round))

    def neighbours(self, peer: int) -> tuple[int, ...]:
        rank = self._ranks.get(require_peer(peer, self._size))
        return () if rank is None else tuple(self._ids[other] for other in self._inner.neighbours(rank))

    def weights(self, peer: int, round: int) -> Mapping[int, float]:
        rank = self._ranks.get(require_peer(peer, self._size))
        row = {} if rank is None else self._inner.weights(rank, round)
        return MappingProxyType({self._ids[other]: weight for other, weight in row.items()})


def schedule_of(contract: Contract) -> Schedule:
    """The symmetric schedule that all peers of a contract follow.

    Raises
    ------
    ContractError
        The topology cannot be built on the contract's peers, is directed, or has too few links for the aggregation.
    """
    require_finished(contract)
    present, protocol = contract.peers.present, contract.gossip.protocol
    topology, count = contract.topology.among(present), len(present)
    if topology.one_way:
        raise ContractError(
            f"{topology.kind} is directed and has no symmetric edges"
            if protocol.follows_arcs
            else f"{topology.kind} is directed, and protocol {protocol.kind} needs symmetric edges",
            where="topology",
            fix="write gossip.protocol: push_sum"
            + (" or topology.directed: false" if "directed" in topology.options else ""),
        )
    require_few_edges(topology, count)
    schedule = topology.schedule(count, contract.gossip.weights.weigh)
    if schedule.period != 1 and not topology.changes:
        raise ContractError(
            f"topology {topology.kind} has edges that change from round to round, and does not say so: what remembers "
            "an edge would be let in",
            where=type(topology).__module__,
            fix="write `changes: ClassVar[bool] = True` there",
        )
    require_neighbours(contract.gossip.aggregation, schedule)
    require_circles(contract, schedule)
    require_parts(contract, schedule)
    return schedule if count == contract.peers.count else RankedSchedule(schedule, present, contract.peers.count)


def require_finished(contract: Contract) -> None:
    """Refuse a contract with a choice that is declared and that nothing carries out; every engine comes by here.

    Raises
    ------
    ContractError
        With its name and what it lacks.
    """
    gossip = contract.gossip
    of_gossip = gossip.protocol, gossip.weights, gossip.aggregation, gossip.compression
    of_privacy = contract.privacy.exchange, contract.privacy.noise
    for choice in (contract.topology, contract.model.backbone, *of_gossip, *of_privacy):
        if choice is not None:
            choice.require_finished()


def require_peer(peer: int, size: int) -> int:
    """`peer`, or a ContractError if it is none of 0..size-1."""
    if not 0 <= peer < size:
        raise ContractError(f"peer {peer} is not in the graph", where="topology", fix=f"ids are 0..{size - 1}")
    return peer

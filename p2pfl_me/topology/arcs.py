"""Who gives how much of itself to whom in which round: the seam between directed topologies and push-sum.

Everything a `Schedule` can say is said here too, with an arc each way; the reverse is not so. No n x n matrix; the
arcs of a round are made when they are asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from p2pfl_me.topology.schedule import RankedSchedule, Schedule, require_peer

Shares = Mapping[int, float]
"""Other peer (or how far ahead it is) -> share in (0, 1), sorted by key."""


@dataclass(frozen=True, slots=True)
class Arc:
    """`sender` gives `receiver` the share `weight` of its mass, in (0, 1)."""

    sender: int
    receiver: int
    weight: float


class DirectedSchedule(ABC):
    """The arcs of every round, the same for all who ask.

    In each round the weights of a peer's outgoing arcs sum to less than 1; the rest it keeps. As a matrix with one
    column a sender, W is column-stochastic, which is what push-sum needs; its rows need not sum to 1.
    """

    @property
    @abstractmethod
    def size(self) -> int:
        """How many peers there are; their ids are 0..size-1."""

    @property
    @abstractmethod
    def period(self) -> int | None:
        """arcs(r) == arcs(r + period) for every round r >= 0; None if they never repeat."""

    @abstractmethod
    def arcs(self, round: int) -> tuple[Arc, ...]:
        """The arcs of one round, sorted by (sender, receiver)."""

    @abstractmethod
    def receivers(self, peer: int, round: int) -> Shares:
        """To whom `peer` sends in one round, and which share of itself; sorted by id.

        Raises
        ------
        ContractError
            No such peer.
        """

    @abstractmethod
    def senders(self, peer: int, round: int) -> Shares:
        """Who sends to `peer` in one round, and which share of themselves; sorted by id.

        Raises
        ------
        ContractError
            No such peer.
        """

    @abstractmethod
    def neighbours(self, peer: int) -> tuple[int, ...]:
        """Everyone that `peer` sends to or hears in any round, sorted: the links it must hold open.

        Raises
        ------
        ContractError
            No such peer.
        """


class RankedArcs(DirectedSchedule):
    """A schedule of ranks, for peers whose ids have gaps: `ids[k]` has rank k, those who have left meet nobody."""

    def __init__(self, inner: DirectedSchedule, ids: tuple[int, ...], size: int) -> None:
        self._inner, self._ids, self._size = inner, ids, size
        self._ranks = {peer: rank for rank, peer in enumerate(ids)}

    @property
    def of_ranks(self) -> DirectedSchedule:
        """Of those who are there alone, as ranks: what figures of a graph are taken from."""
        return self._inner

    @property
    def size(self) -> int:
        return self._size

    @property
    def period(self) -> int | None:
        return self._inner.period

    def arcs(self, round: int) -> tuple[Arc, ...]:
        ids = self._ids
        return tuple(Arc(ids[arc.sender], ids[arc.receiver], arc.weight) for arc in self._inner.arcs(round))

    def receivers(self, peer: int, round: int) -> Shares:
        rank = self._rank(peer)
        return self._named({} if rank is None else self._inner.receivers(rank, round))

    def senders(self, peer: int, round: int) -> Shares:
        rank = self._rank(peer)
        return self._named({} if rank is None else self._inner.senders(rank, round))

    def neighbours(self, peer: int) -> tuple[int, ...]:
        rank = self._rank(peer)
        return () if rank is None else tuple(self._ids[other] for other in self._inner.neighbours(rank))

    def _rank(self, peer: int) -> int | None:
        return self._ranks.get(require_peer(peer, self._size))

    def _named(self, shares: Shares) -> Shares:
        return MappingProxyType({self._ids[rank]: share for rank, share in shares.items()})


class _BothWays(DirectedSchedule):
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    @property
    def size(self) -> int:
        return self._schedule.size

    @property
    def period(self) -> int | None:
        return self._schedule.period

    def arcs(self, round: int) -> tuple[Arc, ...]:
        arcs = [
            Arc(sender, receiver, edge.weight)
            for edge in self._schedule.edges(round)
            for sender, receiver in ((edge.a, edge.b), (edge.b, edge.a))
        ]
        arcs.sort(key=lambda arc: (arc.sender, arc.receiver))
        return tuple(arcs)

    def receivers(self, peer: int, round: int) -> Shares:
        return self._schedule.weights(peer, round)

    def senders(self, peer: int, round: int) -> Shares:
        return self._schedule.weights(peer, round)

    def neighbours(self, peer: int) -> tuple[int, ...]:
        return self._schedule.neighbours(peer)


def as_directed(schedule: Schedule) -> DirectedSchedule:
    """A symmetric schedule seen as arcs: its weights are doubly stochastic, so push-sum averages as dpsgd does."""
    if isinstance(schedule, RankedSchedule):
        return RankedArcs(_BothWays(schedule.of_ranks), schedule.ids, schedule.size)
    return _BothWays(schedule)


class CirculantSchedule(DirectedSchedule):
    """Everyone sends alike: in round t, peer i gives a share to i + shift (mod n) for each shift of that round.

    Rows and columns of W sum to 1, so push-sum's weights stay 1.

    Parameters
    ----------
    shares_of:
        round -> {shift in 1..size-1: share}; rounds of a period are asked for as 0..period-1.
    shifts:
        All that occur in any round.
    """

    def __init__(
        self, size: int, period: int | None, shares_of: Callable[[int], Shares], shifts: Iterable[int]
    ) -> None:
        self._size, self._period = size, period
        self._shares_of = lru_cache(maxsize=64)(shares_of)
        self._offsets = frozenset(offset for shift in shifts for offset in (shift, size - shift))

    @property
    def size(self) -> int:
        return self._size

    @property
    def period(self) -> int | None:
        return self._period

    def arcs(self, round: int) -> tuple[Arc, ...]:
        return tuple(
            Arc(peer, other, share)
            for peer in range(self._size)
            for other, share in self.receivers(peer, round).items()
        )

    def receivers(self, peer: int, round: int) -> Shares:
        return self._around(peer, round, 1)

    def senders(self, peer: int, round: int) -> Shares:
        return self._around(peer, round, -1)

    def neighbours(self, peer: int) -> tuple[int, ...]:
        require_peer(peer, self._size)
        return tuple(sorted((peer + offset) % self._size for offset in self._offsets))

    def _around(self, peer: int, round: int, sign: int) -> Shares:
        require_peer(peer, self._size)
        shares = self._shares_of(round % self._period if self._period else round)
        found = {(peer + sign * shift) % self._size: share for shift, share in shares.items()}
        return MappingProxyType(dict(sorted(found.items())))

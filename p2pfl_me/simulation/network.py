"""The simulated network: links that come up, carry records as well as they can, fall silent and come back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from p2pfl_me.errors import WireError
from p2pfl_me.message import Message
from p2pfl_me.simulation.carriage import Carriage, Plain, Record, Sealed
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel, LinkQuality, Outage, Partition
from p2pfl_me.wire.codec import Schema


class Handlers(Protocol):
    """Whoever lives at the ends of the links; `to` is the peer to which it happens."""

    def on_message(self, to: int, sender: int, message: Message) -> None: ...
    def on_link(self, to: int, peer: int, up: bool) -> None: ...
    def on_refused(self, to: int, sender: int, reason: str) -> None: ...
    def on_told(self, to: int, sender: int, data: bytes) -> None:
        """A linked neighbour tells of changes of the contract."""

    def on_differing(self, to: int, other: int) -> None:
        """A neighbour, or one of the contract before, goes on under another contract: there is no link."""


@dataclass(slots=True)
class _End:
    """One end of a link as its own peer sees it."""

    carriage: Carriage | None = None
    """None while the link is down here."""


class Network:
    """Links along the pairs that are asked for, between those peers that are there.

    Parameters
    ----------
    sealed:
        Whether records carry the real seals. Corruption needs them: nothing else notices a flipped bit.
    """

    def __init__(
        self, clock: Clock, faults: FaultModel, random: Random, schema: Schema, *, seed: int, sealed: bool
    ) -> None:
        if not sealed and any(link.corruption for link in (faults.link, *faults.links.values())):
            raise ValueError("corrupted records need the seals that notice them")
        self._clock, self._faults, self._random = clock, faults, random
        self._schema, self._seed, self._sealed = schema, seed, sealed
        self._present: dict[int, frozenset[int]] = {}
        self._under: dict[int, int] = {}
        """Of those who are there: how many changes are behind the contract under which they go on."""
        self._former: dict[int, frozenset[int]] = {}
        self._lives: dict[tuple[int, int], int] = defaultdict(int)
        """Counts the connections of a pair; what was sent under an earlier one is lost."""
        self._ends: dict[tuple[int, int], _End] = defaultdict(_End)
        self._busy_until: dict[int, float] = defaultdict(float)
        self._narrow_until: dict[tuple[int, int], float] = defaultdict(float)
        self._last_arrival: dict[tuple[int, int], float] = defaultdict(float)
        self.sent: dict[int, int] = defaultdict(int)
        """Bytes on the wire by sender since the simulation began."""
        self.received: dict[int, int] = defaultdict(int)
        self.models: dict[int, int] = defaultdict(int)
        """Models sent by sender, in whichever form."""
        self.broken: list[tuple[float, int, int]] = []
        """(when, a, b) of each connection that ended while either of its peers went on."""
        self._handlers: Handlers

    def attach(self, handlers: Handlers) -> None:
        """Tell whom to call; once, before anything else."""
        self._handlers = handlers
        for partition in self._faults.partitions:
            self._clock.at(partition.begin, partial(self._divide, partition))
            self._clock.at(partition.end, self._reconnect)

    def join(self, peer: int, neighbours: Iterable[int], under: int = 0, former: Iterable[int] = ()) -> None:
        """`peer` has started: it connects to all its neighbours that are there, under the same contract as itself.

        To the others, and to the `former` ones, of the contract before, it tells how its own came to be.
        """
        self._present[peer], self._under[peer] = frozenset(neighbours), under
        self._former[peer] = frozenset(former) - self._present[peer]
        for other in sorted(self._present[peer] | self._former[peer]):
            self._connect(peer, other)

    def leave(self, peer: int, *, orderly: bool) -> None:
        """`peer` is gone. After an orderly end, what it has sent still arrives before its links go down."""
        neighbours = self._present.pop(peer)
        del self._under[peer], self._former[peer]
        for other in neighbours:
            self._ends[peer, other].carriage = None
        for other in sorted(neighbours & self._present.keys()):
            life = self._lives[_pair(peer, other)]
            when = self._arrival(peer, other) if orderly else self._clock.now + self._silence()
            self._clock.at(when, partial(self._notice, other, peer, life))

    def send(self, sender: int, to: int, message: Message) -> None:
        """Put a message on the link; it is lost if that is down."""
        carriage = self._ends[sender, to].carriage
        if carriage is None:
            return
        life = self._lives[_pair(sender, to)]
        self.models[sender] += message.content is not None
        for record, wire in carriage.pack(message):
            self.sent[sender] += wire
            self._carry(sender, to, life, record, wire)

    def tell(self, sender: int, to: int, data: bytes) -> None:
        """Tell a linked neighbour of a change; it is lost with the link."""
        if self._ends[sender, to].carriage is None:
            return
        life = self._lives[_pair(sender, to)]
        self._clock.at(self._arrival(sender, to), partial(self._told, sender, to, life, data))

    def _told(self, sender: int, to: int, life: int, data: bytes) -> None:
        up = self._ends[to, sender].carriage is not None
        if up and self._lives[_pair(sender, to)] == life and not self._is_divided(sender, to):
            self._handlers.on_told(to, sender, data)

    # -- records ------------------------------------------------------------------------------------------------

    def _carry(self, sender: int, to: int, life: int, record: Record, wire: int) -> None:
        link = self._faults.between(sender, to)
        left = self._transmit(sender, to, wire)
        if self._happens(link.loss):
            return
        for _ in range(1 + self._happens(link.duplication)):
            sent = _flip(self._random, record) if self._happens(link.corruption) else record
            if self._happens(link.reordering):
                when = left + self._latency(link) + self._random.uniform(0, link.overtaken_by_s)
            else:
                when = self._in_order(sender, to, left + self._latency(link))
            self._clock.at(when, partial(self._arrive, sender, to, life, sent, wire))

    def _arrive(self, sender: int, to: int, life: int, record: Record, wire: int) -> None:
        carriage = self._ends[to, sender].carriage
        if carriage is None or self._lives[_pair(sender, to)] != life or self._is_divided(sender, to):
            return
        try:
            carriage.unpack(record, lambda message: self._handlers.on_message(to, sender, message))
        except WireError as error:
            self._handlers.on_refused(to, sender, str(error))
        else:
            self.received[to] += wire

    def _transmit(self, sender: int, to: int, wire: int) -> float:
        """When the record has left its sender, and where the link is one of the odd ones, the link's own bottleneck."""
        left = self._uplink(sender, wire)
        bandwidth_bps = self._faults.between(sender, to).bandwidth_bps
        if bandwidth_bps is None or (min(sender, to), max(sender, to)) not in self._faults.links:
            return left
        begin = max(left, self._narrow_until[sender, to])
        self._narrow_until[sender, to] = begin + 8 * wire / bandwidth_bps
        return self._narrow_until[sender, to]

    def _uplink(self, sender: int, wire: int) -> float:
        """When the record has left its sender's line to the network, which all its links share."""
        bandwidth_bps = self._faults.link.bandwidth_bps
        if bandwidth_bps is None:
            return self._clock.now
        begin = max(self._clock.now, self._busy_until[sender])
        self._busy_until[sender] = begin + 8 * wire / bandwidth_bps
        return self._busy_until[sender]

    # -- links --------------------------------------------------------------------------------------------------

    def _connect(self, peer: int, other: int) -> None:
        """Both ends come up, each when it hears from the other; what was left of an earlier link goes down first."""
        if other not in self._present or peer not in self._present or self._is_divided(peer, other):
            return
        if self._under[peer] != self._under[other]:
            for me, there in ((peer, other), (other, peer)):
                self._clock.at(self._arrival(there, me), partial(self._differs, me, there))
            return
        if other not in self._present[peer] or peer not in self._present[other]:
            return
        for me, there in ((peer, other), (other, peer)):
            if self._ends[me, there].carriage is not None:
                self._end_link(me, there)
        pair = _pair(peer, other)
        self._lives[pair] += 1
        life = self._lives[pair]
        for me, there in ((peer, other), (other, peer)):
            self._last_arrival[there, me] = self._clock.now
            when = self._arrival(there, me)
            self._clock.at(when, partial(self._come_up, me, there, life))

    def _differs(self, me: int, other: int) -> None:
        there = me in self._present and other in self._present
        if there and self._under[me] != self._under[other] and not self._is_divided(me, other):
            self._handlers.on_differing(me, other)

    def _come_up(self, me: int, other: int, life: int) -> None:
        both = me in self._present and other in self._present
        if not both or self._lives[_pair(me, other)] != life or self._is_divided(me, other):
            return
        if self._under[me] != self._under[other]:
            return  # one has turned while it was being made
        end = self._ends[me, other]
        if self._sealed:
            end.carriage = Sealed(me, other, self._schema, self._seed, life)
        else:
            end.carriage = Plain(me, other, self._schema)
        self._handlers.on_link(me, other, True)

    def _divide(self, partition: Partition | Outage) -> None:
        for me, other in sorted(pair for pair, end in self._ends.items() if end.carriage is not None):
            if partition.cuts(me, other):
                life = self._lives[_pair(me, other)]
                when = self._clock.now + self._silence()
                if when < partition.end:
                    self._clock.at(when, partial(self._notice, me, other, life))

    def _reconnect(self) -> None:
        """A partition has ended: whoever lost a link by it finds the other again."""
        met = {_pair(a, b) for a in self._present for b in self._present[a] | self._former[a] if b in self._present}
        for a, b in sorted(met):
            if any(self._ends[pair].carriage is None for pair in ((a, b), (b, a))):
                self._connect(a, b)

    def _notice(self, me: int, other: int, life: int) -> None:
        if self._lives[_pair(me, other)] == life and me in self._present:
            self._end_link(me, other)

    def _end_link(self, me: int, other: int) -> None:
        end = self._ends[me, other]
        if end.carriage is not None:
            end.carriage = None
            self.broken.append((self._clock.now, *_pair(me, other)))
            self._handlers.on_link(me, other, False)

    def _is_divided(self, a: int, b: int) -> bool:
        now = self._clock.now
        return any(p.begin <= now < p.end and p.cuts(a, b) for p in self._faults.partitions)

    # -- chance -------------------------------------------------------------------------------------------------

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _latency(self, link: LinkQuality) -> float:
        return self._random.uniform(*link.latency_s)

    def _silence(self) -> float:
        return self._random.uniform(0, self._faults.silence_s)

    def _arrival(self, sender: int, to: int) -> float:
        return self._in_order(sender, to, self._clock.now + self._latency(self._faults.between(sender, to)))

    def _in_order(self, sender: int, to: int, when: float) -> float:
        self._last_arrival[sender, to] = max(when, self._last_arrival[sender, to])
        return self._last_arrival[sender, to]


def _pair(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def _flip(random: Random, record: Record) -> Record:
    """One bit of the record, wherever it lies."""
    damaged = bytearray(record[0])
    damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return (memoryview(damaged), *record[1:])

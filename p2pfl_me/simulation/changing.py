"""The event simulator for a run whose contract changes on its way: views that spread, turns, newcomers, leavers.

What a peer does about a change is what a real one does (`peer/changing.py`, `gossip/turning.py`, `gossip/newcomer.py`);
only who has approved of what is settled beforehand, and what a peer keeps lies in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.protocol import Finish, Timer
from p2pfl_me.membership.agreed import Standing, approvals_due
from p2pfl_me.membership.leaving import is_same_change
from p2pfl_me.membership.views import View, as_text
from p2pfl_me.peer.changing import NOW, Changing, pack
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.codec import Schema

LEFT = "left"


@dataclass(slots=True)
class MemoryStore:
    """What survives a crash."""

    views: dict[int, View] = field(default_factory=dict)
    laid: View | None = None
    approved: dict[int, bytes] = field(default_factory=dict)
    leaving: View | None = None

    def kept(self, number: int) -> View | None:
        return self.views.get(number)

    def keep(self, view: View) -> None:
        self.views.setdefault(view.number, view)

    def offered(self) -> View | None:
        return self.laid

    def looked_at(self) -> None:
        self.laid = None

    def approve(self, view: View) -> bool:
        return is_same_change(self.approved.setdefault(view.number, view.statement), view.statement)

    def leaves(self) -> View | None:
        return self.leaving

    def keep_leaving(self, view: View) -> None:
        self.leaving = view


@dataclass(frozen=True, slots=True)
class Settled:
    """A court of member `me` without keys. `sound`: statements of views of which enough members approve, and `leaving`
    those by which the member k leaves, with the contracts they lead to; who approves of these is said without proof."""

    me: int
    sound: Mapping[bytes, Contract]
    leavings: Mapping[bytes, tuple[int, Contract]]

    def agreed(self, standing: Standing, view: View) -> Contract:
        new = self.sound.get(view.statement)
        if new is None and view.statement in self.leavings:
            due = approvals_due(standing.contract, running=True)
            new = self.leavings[view.statement][1] if len(view.seals) >= due else None
        if new is None or view.number != standing.number + 1:
            raise ContractError("too few members approve of it", where=f"view {view.number}")
        return new

    def followed(self, standing: Standing, view: View) -> Contract:
        return self.sound.get(view.statement) or self.leavings[view.statement][1]

    def approvers(self, standing: Standing, view: View) -> frozenset[int]:
        return frozenset(view.seals)

    def leaver(self, standing: Standing, view: View) -> int | None:
        found = self.leavings.get(view.statement)
        return found[0] if found and found[0] in view.seals else None

    def approved(self, standing: Standing, view: View) -> View:
        return replace(view, seals={**view.seals, self.me: {}})

    def leaving(self, standing: Standing, round: int) -> View:
        raise ContractError("nobody drew that it would have to leave at another time", where=f"peer {self.me}")

    def knows_more(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Announcement:
    """At `at` seconds a view is laid into the run folder of `peer`, or told by it as a liar if it is not sound."""

    at: float
    peer: int
    view: View


@dataclass(frozen=True, slots=True)
class Turned:
    """A peer went on under change `number` with so many rounds behind it; `called`: since all others had. `others`: the
    most rounds that any other had behind it: a peer that comes back joins them in the round after their present one."""

    peer: int
    number: int
    completed: int
    called: bool
    others: int


class ChangingSimulation(Simulation):
    """A swarm on a virtual clock, and the changes of its contract.

    Parameters
    ----------
    contracts, views:
        The first is that of the beginning, number k that which the k-th of the views leads to.
    sound:
        Statements of views -> the contract: those of which enough members approve.
    leavings:
        Those by which a member leaves, of which only itself approves at first -> that member, and the contract.
    completed:
        peer -> rounds behind it.
    """

    def __init__(
        self,
        boot: Callable[[int, int], Life],
        contracts: Sequence[Contract],
        views: Sequence[View],
        sound: Mapping[bytes, Contract],
        leavings: Mapping[bytes, tuple[int, Contract]],
        announcements: Sequence[Announcement],
        completed: Callable[[int], int],
        faults: FaultModel,
        schema: Schema,
        *,
        clock: Clock,
        seed: int,
    ) -> None:
        self._contracts, self._sound, self._announced = tuple(contracts), dict(sound), tuple(announcements)
        self._leavings = dict(leavings)
        self._plans = [plan_of(contract) for contract in contracts]
        self._completed = completed
        everyone = range(contracts[-1].peers.count)
        self._first = {
            peer: next(k for k, each in enumerate(contracts) if peer in each.peers.present) for peer in everyone
        }
        self.number = dict(self._first)
        """peer -> how many changes are behind the contract under which it goes on."""
        self._stores = {peer: MemoryStore() for peer in everyone}
        for peer, number in self._first.items():
            if number:  # it came with its ticket
                self._stores[peer].keep(views[number - 1])
        self._changing: dict[int, Changing] = {}
        self._called: set[int] = set()
        self.turns: list[Turned] = []
        super().__init__(
            lambda peer: boot(peer, self.number[peer]),
            dict.fromkeys(everyone, ()),
            faults,
            schema,
            clock=clock,
            seed=seed,
            sealed=True,
        )

    def run(self, until: float = float("inf")) -> bool:
        for each in self._announced:
            self.clock.at(each.at, partial(self._lay, each))
        return super().run(until)

    # -- the network's handlers -----------------------------------------------------------------------------------

    def on_link(self, to: int, peer: int, up: bool) -> None:
        super().on_link(to, peer, up)
        if changing := self._changing.get(to):
            changing.linked(peer, up=up)

    def on_told(self, to: int, sender: int, data: bytes) -> None:
        if changing := self._changing.get(to):
            changing.heard(sender, data, ())

    def on_differing(self, to: int, other: int) -> None:
        changing = self._changing.get(to)
        if changing and to in self._known_to(other) and other in self._known_to(to):  # nobody else gets an answer
            views = self._stores[other].views
            texts = [as_text(views[k]) for k in sorted(views) if k <= self.number[other]]
            changing.heard(other, pack(texts), ("training",))

    def _known_to(self, peer: int) -> set[int]:
        number = self.number[peer]
        return {*self._plans[number].neighbours(peer), *self._former(peer)}

    def _former(self, peer: int) -> tuple[int, ...]:
        number = self.number[peer]
        if not number or peer not in self._contracts[number - 1].peers.present:
            return ()
        return self._plans[number - 1].neighbours(peer)

    # -- lives ----------------------------------------------------------------------------------------------------

    def _enter(self, peer: int) -> None:
        number = self.number[peer]
        self._changing[peer] = self._changing_of(peer, number)
        self.network.join(peer, self._plans[number].neighbours(peer), number, self._former(peer))

    def _start(self, peer: int) -> None:
        super()._start(peer)
        if peer in self._lives:
            self._changing[peer].begin()
            self._changing[peer].look()

    def _crash(self, peer: int) -> None:
        super()._crash(peer)
        self._changing.pop(peer, None)

    def _turn(self, peer: int, finish: Finish) -> None:
        self._lives.pop(peer)
        self._staying.pop(peer, None)
        del self._changing[peer]
        self.network.leave(peer, orderly=True)
        self.number[peer] += 1
        number = self.number[peer]
        others = max(self._completed(other) for other in self.number if other != peer)
        self.turns.append(Turned(peer, number, self._completed(peer), peer in self._called, others))
        self._called.discard(peer)
        if peer in self._contracts[number].peers.present:
            self.clock.at(self.clock.now + 0.01, partial(self._start, peer))
        else:
            self.finished[peer] = Finish(LEFT, finish.rounds, finish.unsettled, finish.skipped, finish.alone)

    def _changing_of(self, peer: int, number: int) -> Changing:
        return Changing(
            self._stores[peer],
            Standing(number, self._contracts[number]),
            Settled(peer, self._sound, self._leavings),
            me=peer,
            completed=lambda: self._completed(peer),
            ring=partial(self._ring_view, peer, self._born[peer]),
            tell=partial(self.network.tell, peer),
            note=self._lives[peer].work.note,
        )

    def _ring_view(self, peer: int, born: int, round: int) -> None:
        """As a host does: what is rung comes after what is under way."""
        if round == NOW:
            self._called.add(peer)

        def ring() -> None:
            if self._born[peer] == born:
                self._feed(peer, lambda core: core.on_timer(self.clock.now, Timer.VIEW, round))

        self.clock.at(self.clock.now, ring)

    def _lay(self, announced: Announcement) -> None:
        peer = announced.peer
        if announced.view.statement in {*self._sound, *self._leavings}:
            self._stores[peer].laid = announced.view
            if changing := self._changing.get(peer):
                changing.look()
            return
        for other in self._plans[self.number[peer]].neighbours(peer):
            self.network.tell(peer, other, pack([as_text(announced.view)]))

"""The event simulator for a run whose contract changes on its way: views that spread, turns, newcomers, leavers.

What a peer does about a change is what a real one does (`peer/changing.py`, `gossip/turning.py`, `gossip/newcomer.py`);
only approvals carry no seals, and what a peer keeps lies in memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import assert_never

from p2pfl_me.contract import Contract, digest
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.protocol import Action, Finish, Mixed, Timer
from p2pfl_me.membership.agreed import Standing, approvals_due, followed, proposed
from p2pfl_me.membership.edits import without
from p2pfl_me.membership.leaving import is_same_change
from p2pfl_me.membership.views import View, as_text
from p2pfl_me.peer.changing import NOW, Changing, pack
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.topology import Plan, plan_of
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

    def keep(self, view: View, *, instead: bool = False) -> None:
        if instead or view.number not in self.views:
            self.views[view.number] = view

    def offered(self) -> View | None:
        return self.laid

    def looked_at(self) -> None:
        self.laid = None

    def approval(self, number: int) -> bytes | None:
        return self.approved.get(number)

    def approve(self, view: View, before: bytes | None) -> bool:
        if self.approval(view.number) != before:
            return False
        self.approved[view.number] = view.statement
        return True

    def leaves(self) -> View | None:
        return self.leaving

    def keep_leaving(self, view: View) -> None:
        self.leaving = view


class Seen(dict[tuple[str, str], tuple[Contract, int | None]]):
    """(digest before, digest after) -> the contract of a view, and whose leaving it is: looked at once for all."""

    def of(self, standing: Standing, view: View) -> tuple[Contract, int | None]:
        key = view.before, view.after
        if key not in self:
            new = followed(standing, view)
            gone = set(standing.contract.peers.present) - set(new.peers.present)
            leaver = gone.pop() if len(gone) == 1 else None
            if leaver is not None and digest(without(standing.contract, leaver)).hex() != view.after:
                leaver = None
            self[key] = new, leaver
        return self[key]


@dataclass(frozen=True, slots=True)
class Settled:
    """A court of member `me` without keys: whose seal stands there has approved. All else is as in a real one."""

    me: int
    seen: Seen

    def agreed(self, standing: Standing, view: View) -> Contract:
        if view.number != standing.number + 1:
            raise ContractError("is not the next change", where=f"view {view.number}")
        if len(self.approvers(standing, view)) < approvals_due(standing.contract, running=True):
            raise ContractError("too few members approve of it", where=f"view {view.number}")
        return self.seen.of(standing, view)[0]

    def followed(self, standing: Standing, view: View) -> Contract:
        return self.seen.of(standing, view)[0]

    def approvers(self, standing: Standing, view: View) -> frozenset[int]:
        return frozenset(standing.contract.peers.present) & frozenset(view.seals)

    def leaver(self, standing: Standing, view: View) -> int | None:
        leaver = self.seen.of(standing, view)[1]
        return leaver if leaver is not None and leaver in view.seals else None

    def approved(self, standing: Standing, view: View) -> View:
        return replace(view, seals={**view.seals, self.me: {}})

    def leaving(self, standing: Standing, round: int) -> View:
        return self.approved(standing, proposed(standing, without(standing.contract, self.me), round))

    def knows_more(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Announcement:
    """At `at` seconds a view is laid into the run folder of `peer`, or told by it to all its neighbours as a liar."""

    at: float
    peer: int
    view: View
    lie: bool = False


@dataclass(frozen=True, slots=True)
class Hand:
    """At `at` seconds the operator of `peer` approves of the view `of`, which goes from lab to lab by hand, unless
    another change of the number is approved there; who completes it lays it into that peer's run folder."""

    at: float
    peer: int
    of: View


@dataclass(frozen=True, slots=True)
class Turned:
    """A peer went on under change `number` with so many rounds behind it; `called`: since all others had. `at`: the
    round that was agreed. `others`: the latest round that any other was in: who comes back joins them in the one
    after it."""

    peer: int
    number: int
    at: int
    completed: int
    called: bool
    others: int


class ChangingSimulation(Simulation):
    """A swarm on a virtual clock, and the changes of its contract.

    Parameters
    ----------
    boot:
        peer, contract, its plan, and the view that led to the contract -> a life.
    first:
        The contract of the beginning.
    tickets:
        By whom comes later, the view that lets it in and the contract that this leads to.
    completed:
        peer -> rounds behind it.
    """

    def __init__(
        self,
        boot: Callable[[int, Contract, Plan, View | None], Life],
        first: Contract,
        tickets: Mapping[int, tuple[View, Contract]],
        announcements: Sequence[Announcement | Hand],
        completed: Callable[[int], int],
        faults: FaultModel,
        schema: Schema,
        *,
        clock: Clock,
        seed: int,
    ) -> None:
        self._announced, self._completed, self._seen = tuple(announcements), completed, Seen()
        self._plans: dict[bytes, tuple[int, Plan]] = {}
        self._carried: dict[bytes, frozenset[int]] = {}
        """Statements of views that are carried by hand -> who has approved of them by now."""
        everyone = sorted({*first.peers.present, *tickets})
        self.number = {peer: tickets[peer][0].number if peer in tickets else 0 for peer in everyone}
        """peer -> how many changes are behind the contract under which it goes on."""
        self.contracts = {peer: [tickets[peer][1]] if peer in tickets else [first] for peer in everyone}
        """peer -> the contracts under which it went on, the last one now."""
        self.stores = {peer: MemoryStore() for peer in everyone}
        for peer, (view, _) in tickets.items():
            self.stores[peer].keep(view)
        self._changing: dict[int, Changing] = {}
        self._called: set[int] = set()
        self._typed_later: defaultdict[int, list[Announcement]] = defaultdict(list)
        self.turns: list[Turned] = []
        super().__init__(
            lambda peer: boot(
                peer, self.contract(peer), self._plan(self.contract(peer))[1], self.stores[peer].kept(self.number[peer])
            ),
            dict.fromkeys(everyone, ()),
            faults,
            schema,
            clock=clock,
            seed=seed,
            sealed=True,
        )

    def contract(self, peer: int) -> Contract:
        """Under what it goes on, or went on last."""
        return self.contracts[peer][-1]

    def _plan(self, contract: Contract) -> tuple[int, Plan]:
        """A number for each contract, and its plan."""
        key = digest(contract)
        if key not in self._plans:
            self._plans[key] = len(self._plans), plan_of(contract)
        return self._plans[key]

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
            views = self.stores[other].views
            texts = [as_text(views[k]) for k in sorted(views) if k <= self.number[other]]
            changing.heard(other, pack(texts), ("training",))

    def _known_to(self, peer: int) -> set[int]:
        return {*self._plan(self.contract(peer))[1].neighbours(peer), *self._former(peer)}

    def _former(self, peer: int) -> tuple[int, ...]:
        return self._plan(self.contracts[peer][-2])[1].neighbours(peer) if len(self.contracts[peer]) > 1 else ()

    # -- lives ----------------------------------------------------------------------------------------------------

    def _enter(self, peer: int) -> None:
        self._changing[peer] = self._changing_of(peer)
        under, plan = self._plan(self.contract(peer))
        self.network.join(peer, plan.neighbours(peer), under, self._former(peer))

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
        new = self._changing.pop(peer).agreed
        self.network.leave(peer, orderly=True)
        self.number[peer] += 1
        view = self.stores[peer].kept(self.number[peer])
        assert new is not None and view is not None
        self.contracts[peer].append(new)
        others = max(max(self._completed(each), self.begun.get(each, 0)) for each in self.number if each != peer)
        done = self._completed(peer)
        self.turns.append(Turned(peer, view.number, view.round, done, peer in self._called, others))
        self._called.discard(peer)
        for each in self._typed_later.pop(peer, ()):
            self.clock.at(self.clock.now, partial(self._lay, each))
        if peer in new.peers.present:
            self.clock.at(self.clock.now + 0.01, partial(self._start, peer))
        else:
            self.finished[peer] = Finish(LEFT, finish.rounds, finish.unsettled, finish.skipped, finish.alone)

    def _conclude(self, peer: int, mixed: Mixed, life: Life) -> list[Action]:
        actions = super()._conclude(peer, mixed, life)
        if changing := self._changing.get(peer):
            self.clock.at(self.clock.now, partial(self._look, peer, changing))
        return actions

    def _look(self, peer: int, changing: Changing) -> None:
        """As a host does twice a second."""
        if self._changing.get(peer) is changing:
            changing.look()

    def _changing_of(self, peer: int) -> Changing:
        return Changing(
            self.stores[peer],
            Standing(self.number[peer], self.contract(peer)),
            Settled(peer, self._seen),
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

    def _lay(self, announced: Announcement | Hand) -> None:
        match announced:
            case Hand():
                self._approve_by_hand(announced)
            case Announcement(lie=True):
                for other in self._plan(self.contract(announced.peer))[1].neighbours(announced.peer):
                    self.network.tell(announced.peer, other, pack([as_text(announced.view)]))
            case Announcement(peer=peer, view=view):
                if view.number > self.number[peer] + 1:  # it is typed once the change before has come to be
                    self._typed_later[peer].append(announced)
                    return
                if peer in view.seals and len(view.seals) == 1:  # `p2pme leave`, which approves for its lab
                    before = self.stores[peer].approval(view.number)
                    if before and not is_same_change(before, view.statement):
                        self.stores[peer].keep_leaving(replace(view, seals={}))
                        return
                    self.stores[peer].approve(view, before)
                elif not self._was_approved_by_hand(view):
                    return
                self._offer(peer, view)
            case _:
                assert_never(announced)

    def _was_approved_by_hand(self, view: View) -> bool:
        """Whether all in it could (`p2pme approve`), which binds their labs."""
        stores = [self.stores[peer] for peer in view.seals]
        before = [store.approval(view.number) for store in stores]
        if any(each and not is_same_change(each, view.statement) for each in before):
            return False
        for store, each in zip(stores, before, strict=True):
            store.approve(view, each)
        return True

    def _approve_by_hand(self, hand: Hand) -> None:
        store, view = self.stores[hand.peer], hand.of
        before = store.approval(view.number)
        if self.number[hand.peer] >= view.number or (before and not is_same_change(before, view.statement)):
            return
        store.approve(view, before)
        carried = self._carried.get(view.statement, frozenset()) | {hand.peer}
        self._carried[view.statement] = carried
        if len(carried) >= approvals_due(self.contract(hand.peer), running=True):
            self._offer(hand.peer, replace(view, seals={peer: {} for peer in carried}))

    def _offer(self, peer: int, view: View) -> None:
        self.stores[peer].laid = view
        if changing := self._changing.get(peer):
            changing.look()

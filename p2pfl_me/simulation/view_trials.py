"""Schedules of changes from a seed: a small federation, faults, and what must hold whatever the members agree to.

`draw_changes(seed)` draws a graph, members, one or two changes (somebody joins, leaves, moves; more rounds; another
graph), when and to whom they are told, what liars tell, and faults; `play` lives it, `broken` says what did not hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from random import Random
from typing import Any

import numpy as np

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract, contract_from_values, digest
from p2pfl_me.gossip.cores import Start, core_of, exchanged_size, largest_value
from p2pfl_me.gossip.protocol import Mixed
from p2pfl_me.gossip.stop import Progress, advance
from p2pfl_me.gossip.turning import TURNED
from p2pfl_me.membership.agreed import Standing, approvals_due, proposed
from p2pfl_me.membership.edits import with_changed, with_member, with_set, without
from p2pfl_me.membership.views import View
from p2pfl_me.message import Vector
from p2pfl_me.peer.duty import Untold
from p2pfl_me.peer.turn import Turn
from p2pfl_me.simulation.changing import LEFT, Announcement, ChangingSimulation, Hand
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel, Outage, draw_faults
from p2pfl_me.simulation.host import Life
from p2pfl_me.topology import Plan
from p2pfl_me.wire.codec import Schema

SIZE = 64
PATIENCE_S = 1e6
PROTOCOLS = ("dpsgd", "dpsgd", "qg_dsgdm", "adpsgd", "swift", "push")
FAULTLESS = FaultModel()


@dataclass(frozen=True, slots=True)
class Changes:
    """What a seed stands for; `contracts[k]` follows on `views[k - 1]`, unless what is said at once comes before."""

    seed: int
    contracts: tuple[Contract, ...]
    views: tuple[View, ...]
    announcements: tuple[Announcement | Hand, ...]
    leavers: frozenset[int]
    """Who leaves by its own word."""
    faults: FaultModel

    @property
    def is_faultless(self) -> bool:
        """Whether nothing goes wrong, if some of it slowly."""
        return self.faults == replace(FAULTLESS, links=self.faults.links)

    @property
    def by_hand(self) -> bool:
        """Whether operators carry something, which may bind approvals until they undo it by hand."""
        return any(isinstance(each, Hand) for each in self.announcements)

    @property
    def replay(self) -> str:
        """The command that lives it again and says more."""
        return f"python scripts/bench/views.py --seed {self.seed}"


@dataclass(slots=True)
class Log:
    """Of (peer, round): under which contract (its digest) it was mixed, and what came of it; a round that was lived
    twice is twice."""

    mixed: dict[tuple[int, int], list[tuple[bytes, Mixed]]] = field(default_factory=lambda: defaultdict(list))
    trained: dict[tuple[int, int], list[Vector]] = field(default_factory=lambda: defaultdict(list))
    starts: dict[int, Start] = field(default_factory=dict)

    def bits(self) -> tuple[tuple[int, bytes], ...]:
        """Everything that the peers ended with."""
        return tuple((peer, start.params.tobytes()) for peer, start in sorted(self.starts.items()))


def draw_changes(seed: int) -> Changes:
    """The schedule of a seed: 4 to 7 members, 6 to 12 rounds, one or two changes; every third is without faults."""
    random = Random(derive_seed(seed, "changes"))
    count, rounds = random.randint(4, 7), random.randint(6, 12)
    contract = _first(random, count, rounds)
    contracts, views = [contract], list[View]()
    at, announcements, leavers = 0, list[Announcement | Hand](), set[int]()
    if random.random() < 0.25:
        return _at_once(random, seed, with_set(contract, [f"training.rounds={rounds + 10}"]))
    for number in range(random.choice((1, 1, 2))):
        at = random.randint(at + 2, max(at + 2, rounds - 2))
        if at >= contracts[-1].training.rounds:
            break
        now = contracts[-1]
        told = random.choice(now.peers.present)
        leaves = random.random() < 0.3 and len(now.peers.present) > 3 and at < now.training.rounds
        new = without(now, told) if leaves else _changed(random, now, at)
        view = proposed(Standing(number, now), new, at)
        if leaves:
            leavers.add(told)
        view = replace(view, seals={told: {}} if leaves else _enough(now))
        soon = max(0.0, at - 4.0) if number == 0 else float(at)
        announcements.append(Announcement(random.uniform(0.0, soon), told, view))
        contracts.append(new)
        views.append(view)
        if random.random() < 0.3:  # a liar tells another of the same number, of which too few approve
            lie = proposed(Standing(number, contracts[-2]), _changed(random, contracts[-2], at), at)
            liar = random.choice(contracts[-2].peers.present)
            if lie.statement != view.statement:
                lie = replace(lie, seals={liar: {}})
                announcements.append(Announcement(random.uniform(0.0, 2.0 * at), liar, lie, lie=True))
    faults = FAULTLESS if seed % 3 == 0 else replace(draw_faults(random, count, rounds), stop_s=None)
    faults = _thin_lines(random, faults, contracts[-1].peers.count, rounds)
    return Changes(seed, tuple(contracts), tuple(views), tuple(announcements), frozenset(leavers), faults)


def _enough(now: Contract) -> dict[int, dict[str, str]]:
    return {peer: {} for peer in now.peers.present[: approvals_due(now, running=True)]}


def _at_once(random: Random, seed: int, contract: Contract) -> Changes:
    """Two or three leave at about the same moment, some of them in the same round, and in half of all draws one or two
    changes (often: somebody joins) are carried by hand meanwhile, to all, to too few, or until who carries it dies."""
    now, present = Standing(0, contract), contract.peers.present
    leavers = random.sample(present, random.randint(1, min(3, len(present) - 2)))
    begin, announcements = random.uniform(0.0, 3.0), list[Announcement | Hand]()
    for leaver in leavers:
        view = replace(proposed(now, without(contract, leaver), random.randint(4, 8)), seals={leaver: {}})
        announcements.append(Announcement(begin + random.choice((0.0, random.uniform(0.0, 0.05))), leaver, view))
    contracts, views = [contract], list[View]()
    for _ in range(random.choice((0, 0, 1, 2))):
        joins = with_member(contract, f"tcp://lab-{contract.peers.count}.example:4000", _key(contract.peers.count))
        new = joins if random.random() < 0.6 and not views else _changed(random, contract, 5)
        if new.peers.count > contract.peers.count and views:
            continue
        view = proposed(now, new, random.randint(5, 8))
        for peer in random.sample(present, random.randint(1, len(present))):
            announcements.append(Hand(max(0.0, begin + random.uniform(-2.0, 2.0)), peer, view))
        contracts.append(new)
        views.append(view)
    rounds = contract.training.rounds
    faults = FAULTLESS if seed % 3 == 0 else replace(draw_faults(random, len(present), rounds), stop_s=None)
    faults = _thin_lines(random, faults, max(each.peers.count for each in contracts), rounds)
    return Changes(seed, tuple(contracts), tuple(views), tuple(announcements), frozenset(leavers), faults)


def _thin_lines(random: Random, faults: FaultModel, count: int, rounds: int) -> FaultModel:
    """With one lab behind a thin line, in a third of all draws; with a relay between some labs, in another third:
    what passes it takes twice as long, and where there are faults it is gone for a while and all its edges with it."""
    pairs = list(combinations(range(count), 2))
    kind, link = random.randrange(3), faults.link
    if kind == 0:
        lab = random.randrange(count)
        thin = replace(link, bandwidth_bps=random.choice((4_000.0, 20_000.0)))
        return replace(faults, links={pair: thin for pair in pairs if lab in pair})
    if kind == 1:
        only_dial = random.sample(range(count), random.randint(2, count - 1))
        over = frozenset(pair for pair in pairs if pair[0] in only_dial and pair[1] in only_dial)
        near, far = link.latency_s
        faults = replace(faults, links=dict.fromkeys(over, replace(link, latency_s=(2 * near, 2 * far))))
        if faults.silence_s != FAULTLESS.silence_s or faults.link != FAULTLESS.link:
            begin = random.uniform(0.0, 2.0 * rounds)
            gone = Outage(begin, begin + random.choice((0.5, 5.0, 30.0)), over)
            faults = replace(faults, partitions=(*faults.partitions, gone))
    return faults


def play(changes: Changes) -> tuple[ChangingSimulation, Log]:
    """Run a schedule to its end, or to where it hangs."""
    log, clock, last = Log(), Clock(), changes.contracts[-1]
    first = frozenset(changes.contracts[0].peers.present)
    tickets: dict[int, tuple[View, Contract]] = {}
    for view, new in zip(changes.views, changes.contracts[1:], strict=True):
        for peer in set(new.peers.present) - first - tickets.keys():
            tickets[peer] = view, new

    def boot(peer: int, contract: Contract, plan: Plan, view: View | None) -> Life:
        start = log.starts.get(peer) or Start(np.zeros(SIZE, np.float32))
        since = view.round if view and peer not in first and peer not in log.starts else None
        together = view is not None and view.round == start.completed
        newcomers = frozenset(contract.peers.present) - first
        turn = Turn(contract.gossip.deadline.max_s if together else None, newcomers, since)
        core = core_of(contract, peer, plan, turn.of(start))
        return Life(core, _Work(peer, digest(contract), contract.seed, log, joins=since is not None))

    gossip = last.gossip
    schema = Schema(exchanged_size(gossip, SIZE, ()), b"changes".ljust(32, b"."), 0, largest_value(gossip))
    simulation = ChangingSimulation(
        boot,
        changes.contracts[0],
        tickets,
        changes.announcements,
        lambda peer: log.starts[peer].completed if peer in log.starts else 0,
        changes.faults,
        schema,
        clock=clock,
        seed=last.seed,
    )
    simulation.run(PATIENCE_S)
    return simulation, log


def broken(changes: Changes) -> list[str]:
    """What did not hold, in words."""
    simulation, log = play(changes)
    return [
        *_ends(changes, simulation, log),
        *_one_line(simulation, log),
        *_turns(changes, simulation),
        *_exchanges(changes, log),
        *_average(changes, simulation, log),
    ]


def _ends(changes: Changes, simulation: ChangingSimulation, log: Log) -> Iterator[str]:
    for peer in sorted(simulation.running):
        # Only a newcomer whom nobody has ever let in waits for ever.
        if peer in log.starts or peer in changes.contracts[0].peers.present:
            yield f"peer {peer} hangs under change {simulation.number[peer]}"
    for peer, error in simulation.failed.items():
        yield f"peer {peer} failed: {error}"
    for peer, finish in simulation.finished.items():
        contract, number = simulation.contract(peer), simulation.number[peer]
        done = log.starts[peer].completed if peer in log.starts else 0
        if finish.reason == TURNED:
            yield f"peer {peer} ended by a change"
        elif finish.reason == LEFT and peer in contract.peers.present:
            yield f"peer {peer} left, and takes part"
        elif finish.reason == "rounds" and done != contract.training.rounds:
            yield f"peer {peer} ended after {done} of {contract.training.rounds} rounds of change {number}"
        elif changes.is_faultless and peer in changes.leavers and finish.reason != LEFT and not changes.by_hand:
            yield f"peer {peer} did not leave, without a fault: {finish.reason}"
        # Who waits for nobody may find the others done, changes or not.
        alone = finish.alone if contract.gossip.protocol.common_rounds else 0
        if changes.is_faultless and (finish.skipped or alone):
            yield f"peer {peer} left {finish.skipped} rounds out and was alone in {alone}, without a fault"


def _one_line(simulation: ChangingSimulation, log: Log) -> Iterator[str]:
    """No two have gone on under different contracts of one number."""
    lines: dict[int, dict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
    for peer, contracts in simulation.contracts.items():
        if peer not in log.starts:
            continue  # whom nobody has let in holds a ticket, which may come to nothing
        for number, contract in enumerate(contracts, 1 + simulation.number[peer] - len(contracts)):
            lines[number][digest(contract)].append(peer)
    for number, found in lines.items():
        if len(found) > 1:
            yield f"change {number} split the federation: {sorted(found.values())}"


def _turns(changes: Changes, simulation: ChangingSimulation) -> Iterator[str]:
    for turned in simulation.turns:
        at = turned.at
        if turned.completed != at and not turned.called and changes.is_faultless:
            yield f"peer {turned.peer} took up change {turned.number} after {turned.completed} rounds, and not {at}"
        if turned.completed < at and not turned.called and turned.others < at - 1:
            yield f"peer {turned.peer} took up change {turned.number} early, after {turned.completed} of {at} rounds"


def _exchanges(changes: Changes, log: Log) -> Iterator[str]:
    """Where all count the same rounds, both ends of an edge mixed it under the same change; else rounds tell nothing,
    and that there is no link between two changes is the network's doing."""
    if not changes.contracts[0].gossip.protocol.common_rounds:
        return
    for (peer, round), lived in log.mixed.items():
        for key, mixed in lived:
            for other in () if mixed.handed else mixed.weights:
                # Who crashed before it had mixed what it gave away may live the round again, under another change.
                theirs = {under for under, its in log.mixed.get((other, round), ()) if peer in its.weights}
                if theirs and key not in theirs:
                    yield f"peers {peer} and {other} exchanged round {round} under different contracts"


def _average(changes: Changes, simulation: ChangingSimulation, log: Log) -> Iterator[str]:
    """Where all of a change concluded a round once and agree on its edges, averaging left their average as it was."""
    if not changes.contracts[0].gossip.protocol.keeps_average:
        return
    under = {digest(each): each for contracts in simulation.contracts.values() for each in contracts}
    for key, contract in under.items():
        peers = contract.peers.present
        for round in range(contract.training.rounds):
            lived = [log.mixed.get((peer, round), []) for peer in peers]
            if any(len(each) != 1 or each[0][0] != key or each[0][1].handed for each in lived):
                continue
            mixed = {peer: each[0][1] for peer, each in zip(peers, lived, strict=True)}
            used = {(peer, other) for peer in peers for other in mixed[peer].weights}
            if any((b, a) not in used for a, b in used) or any(each.late for each in mixed.values()):
                continue
            before = np.mean([log.trained[peer, round][-1].astype(np.float64) for peer in peers], axis=0)
            after = np.mean([mixed[peer].params.astype(np.float64) for peer in peers], axis=0)
            if not np.allclose(before, after, atol=1e-4):
                yield f"round {round} under {key.hex()[:8]}: averaging moved the average"


def _first(random: Random, count: int, rounds: int) -> Contract:
    members = [{"id": k, "address": f"tcp://lab-{k}.example:4000", "public_key": _key(k)} for k in range(count)]
    values: dict[str, Any] = {
        "version": 1,
        "name": "changes",
        "seed": random.randrange(1 << 30),
        "topology": {"kind": random.choice(("ring", "mesh", "star", "exponential"))},
        "peers": {"approve": 0.6, "members": members},
        "training": {"rounds": rounds},
        "gossip": {
            "protocol": random.choice(PROTOCOLS),
            "deadline": {"min_s": 2.0, "max_s": 30.0},
            "start": {"patience": 60.0},
        },
    }
    return contract_from_values(values, "changes")


def _changed(random: Random, now: Contract, at: int) -> Contract:
    new, present = now, now.peers.present
    what = random.sample(("join", "leave", "move", "longer", "graph"), random.randint(1, 3))
    if "leave" in what and len(present) > 3:
        new = without(new, random.choice(present))
    if "join" in what:
        new = with_member(new, f"tcp://lab-{now.peers.count}.example:4000", _key(now.peers.count))
    if "move" in what or new is now:
        peer = random.choice(new.peers.present)
        new = with_changed(new, peer, {"address": f"tcp://moved-{peer}-{at}.example:4000"})
    longer = [f"training.rounds={now.training.rounds + random.randint(1, 4)}"] if "longer" in what else []
    if longer or "graph" in what or at >= now.training.rounds - 1:
        rounds = longer or [f"training.rounds={max(now.training.rounds, at + 2)}"]
        graph = [f"topology={{kind: {random.choice(('ring', 'mesh', 'exponential'))}}}"] if "graph" in what else []
        new = with_set(new, [*rounds, *graph])
    return new


def _key(k: int) -> str:
    return f"{k:043d}=".replace("0", "A", 42 - len(str(k)))


class _Work(Untold):
    """Stands for training: shrink and add noise that follows from (seed, peer, round)."""

    def __init__(self, peer: int, key: bytes, seed: int, log: Log, *, joins: bool) -> None:
        self._peer, self._key, self._seed, self._log, self._joins = peer, key, seed, log, joins

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        noise = np.random.default_rng(derive_seed(self._seed, "noise", self._peer, round))
        trained: Vector = np.float32(0.9) * params + noise.standard_normal(params.size, dtype=np.float32)
        self._log.trained[self._peer, round].append(trained)
        return trained

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        done, start = mixed.round + 1, self._log.starts.get(self._peer)
        self._log.mixed[self._peer, mixed.round].append((self._key, mixed))
        progress = start.progress if start else Progress()
        if self._joins:
            self._joins, progress = False, Progress(joined=done)
        elif not mixed.handed:
            progress = advance(progress, None, alone=mixed.alone)
        self._log.starts[self._peer] = Start(mixed.params, done, progress, mixed.memory)
        return None

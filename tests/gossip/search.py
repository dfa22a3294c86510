"""Exhaustive search: every order in which a few peers' events can happen, with one fault at every possible moment.

Nothing is timed: a training may end at any moment, and a deadline may pass as `Patience` lets it. So what holds here
holds for every clock. Lines deliver in order, as links do; a link that goes down loses what is on it, both ways.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from p2pfl_me.aggregation.rules.mean import Mean
from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.exchange import Whole
from p2pfl_me.gossip.overlapped import Overlapped
from p2pfl_me.gossip.protocol import NOTHING, Action, Finish, Mixed, Send, Timer, Train
from p2pfl_me.gossip.protocols.overlap import Beside
from p2pfl_me.gossip.rules import Plain
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import StopRule
from p2pfl_me.gossip.synchronous import Phase
from p2pfl_me.message import Kind, Message, Vector

Rows = Mapping[int, Mapping[int, float]]


class Fault(Enum):
    NONE = "none"
    LOSS = "loss"
    DUPLICATE = "duplicate"
    FLAP = "flap"
    CRASH = "crash"
    LATE = "late join"
    LIE = "lie"


class Patience(Enum):
    """When a deadline may pass."""

    NONE = "at any moment"
    ARRIVALS = "when nothing is under way"
    RETURNS = "when nothing is under way and no link is down"


@dataclass
class World:
    """Everything at one moment; copied for each step from it."""

    cores: dict[int, DPSGD]
    lines: dict[tuple[int, int], tuple[Message, ...]]
    up: dict[tuple[int, int], bool]
    train: dict[int, tuple[int, Vector]] = field(default_factory=dict)
    kept: dict[int, tuple[int, Vector]] = field(default_factory=dict)
    """peer -> (rounds completed, model) of its checkpoint."""
    steps: float = 0.0
    """What all trainings that count have added."""
    finished: dict[int, Finish] = field(default_factory=dict)
    absent: frozenset[int] = frozenset()
    fault: Fault = Fault.NONE
    """What may still happen, once."""
    core: type[DPSGD] = DPSGD
    crashed: frozenset[int] = frozenset()
    mixed: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    """(peer, round) -> with whom, those settled late among them."""


@dataclass(frozen=True)
class Found:
    """What the search saw."""

    states: int
    ends: int
    one_sided: int
    """Ends in which an exchange counts at one end only."""
    broken: tuple[str, ...]


def search(
    rows: Rows,
    rounds: int,
    fault: Fault,
    *,
    who: int = 0,
    patience: Patience = Patience.NONE,
    most: int = 1_000_000,
    core: type[DPSGD] = DPSGD,
) -> Found:
    """Walk through all that can happen; `who` comes late, or may send one message that is not true."""
    begin = _begin(rows, rounds, fault, core, absent=frozenset({who}) if fault is Fault.LATE else frozenset())
    liar = who if fault is Fault.LIE else None
    seen, stack, broken = {_key(begin)}, [begin], []
    ends = one_sided = 0
    while stack and len(seen) < most and len(broken) < 5:
        world = stack.pop()
        successors = list(_steps(world, rows, rounds, liar, patience))
        if not successors:
            ends += 1
            one_sided += bool(_one_sided(world))
            broken += _broken(world, liar)
        for each in successors:
            if (key := _key(each)) not in seen:
                seen.add(key)
                stack.append(each)
    if stack and not broken:
        broken.append(f"more than {most} states")
    return Found(len(seen), ends, one_sided, tuple(broken))


# -- what can happen --------------------------------------------------------------------------------------------------


def _begin(rows: Rows, rounds: int, fault: Fault, core: type[DPSGD], absent: frozenset[int]) -> World:
    world = World({}, {(a, b): () for a in rows for b in rows[a]}, {(a, b): False for a in rows for b in rows[a]})
    world.fault, world.absent, world.core = fault, absent, core
    for peer in rows:
        world.kept[peer] = (0, np.zeros(1, np.float32))
        if peer not in absent:
            _boot(world, peer, rows, rounds)
    for a, b in world.up:
        if a < b and not {a, b} & absent:
            _link(world, a, b)
    return world


def _boot(world: World, peer: int, rows: Rows, rounds: int) -> None:
    settings = Settings(StopRule(rounds), 1.0, 10.0, 6.0, 100.0)
    completed, params = world.kept[peer]
    exchange = Whole(peer, Mean(), rounds)
    neighbours = tuple(rows[peer])
    rule = Beside(rounds - 1, 0.25, NOTHING) if world.core is Overlapped else Plain()
    row = _Row(rows[peer])
    core = world.core(peer, row, neighbours, params, settings, rule=rule, exchange=exchange, completed=completed)
    world.cores[peer] = core
    _perform(world, peer, core.start(0.0))


class _Row:
    def __init__(self, row: Mapping[int, float]) -> None:
        self._row = row

    def __call__(self, round: int) -> Mapping[int, float]:
        return self._row


def _link(world: World, a: int, b: int) -> None:
    for me, other in ((a, b), (b, a)):
        world.up[me, other] = True
        _perform(world, me, world.cores[me].on_peer(0.0, other, True))


def _cut(world: World, a: int, b: int) -> None:
    for me, other in ((a, b), (b, a)):
        world.lines[me, other] = ()
        world.up[me, other] = False
    for me, other in ((a, b), (b, a)):
        if me in world.cores:
            _perform(world, me, world.cores[me].on_peer(0.0, other, False))


def _steps(world: World, rows: Rows, rounds: int, liar: int | None, patience: Patience) -> Iterator[World]:
    def step(act: Callable[[World], None], *, fault: bool = False) -> World:
        after = _copy(world)
        if fault:
            after.fault = Fault.NONE
        act(after)
        return after

    down = [pair for pair, up in world.up.items() if pair[0] < pair[1] and not up and not set(pair) & world.absent]
    under_way = bool(world.train) or any(world.lines.values())
    passes = {Patience.NONE: True, Patience.ARRIVALS: not under_way, Patience.RETURNS: not under_way and not down}
    for peer in world.train:
        yield step(lambda after, peer=peer: _trained(after, peer))
    for peer, core in world.cores.items():
        if core._due and passes[patience]:
            yield step(lambda after, peer=peer: _deadline(after, peer))
    for line, messages in world.lines.items():
        if messages:
            yield step(lambda after, line=line: _deliver(after, line))
    for pair in down:
        yield step(lambda after, pair=pair: _link(after, *pair))
    for peer in world.absent:
        yield step(lambda after, peer=peer: _arrive(after, peer, rows, rounds))
    if world.absent or passes[Patience.ARRIVALS]:  # a greeting was lost, or its sender does not come
        for peer, core in world.cores.items():
            if core._phase is Phase.JOINING:
                yield step(lambda after, peer=peer: _join(after, peer))
    if world.fault is not Fault.NONE:
        yield from _faults(world, step, liar, rows, rounds)


def _faults(world: World, step: Any, liar: int | None, rows: Rows, rounds: int) -> Iterator[World]:
    match world.fault:
        case Fault.LOSS:
            for line, messages in world.lines.items():
                if messages:
                    yield step(lambda after, line=line: after.lines.update({line: after.lines[line][1:]}), fault=True)
        case Fault.DUPLICATE:
            for line, messages in world.lines.items():
                if messages:
                    yield step(lambda after, line=line: _deliver(after, line, keep=True), fault=True)
        case Fault.FLAP:
            for pair, up in world.up.items():
                if up and pair[0] < pair[1]:
                    yield step(lambda after, pair=pair: _cut(after, *pair), fault=True)
        case Fault.CRASH:
            for peer in world.cores:
                if peer not in world.finished:
                    yield step(lambda after, peer=peer: _crash(after, peer, rows, rounds), fault=True)
        case Fault.LIE:
            assert liar is not None
            for other in rows[liar]:
                if world.up[liar, other]:
                    for message in LIES:
                        yield step(lambda after, o=other, m=message: _say(after, liar, o, m), fault=True)
        case Fault.LATE | Fault.NONE:
            pass


LIES = tuple(
    Message(kind, round, round, np.full(1, 7.0, np.float32) if kind in {Kind.OFFER, Kind.ANSWER} else None)
    for kind in (Kind.HELLO, Kind.SKIP, Kind.WITHDRAW, Kind.LEAVE, Kind.OFFER, Kind.ANSWER)
    for round in (0, 1, 9)
)
"""What one liar may say, of a round that was, that is, that ends the run, and that cannot be."""


def _trained(world: World, peer: int) -> None:
    round, params = world.train.pop(peer)
    step = float(10**peer * (round + 1))
    world.steps += step
    _perform(world, peer, world.cores[peer].on_trained(0.0, params + np.float32(step)))


def _deadline(world: World, peer: int) -> None:
    core = world.cores[peer]
    _perform(world, peer, core.on_timer(min(core._due.values()), Timer.DEADLINE, core.round))


def _join(world: World, peer: int) -> None:
    _perform(world, peer, world.cores[peer].on_timer(0.0, Timer.JOIN, world.cores[peer].round))


def _deliver(world: World, line: tuple[int, int], *, keep: bool = False) -> None:
    sender, to = line
    message, *rest = world.lines[line]
    if not keep:
        world.lines[line] = tuple(rest)
    _perform(world, to, world.cores[to].on_message(0.0, sender, message))


def _arrive(world: World, peer: int, rows: Rows, rounds: int) -> None:
    world.absent -= {peer}
    _boot(world, peer, rows, rounds)


def _say(world: World, liar: int, other: int, message: Message) -> None:
    world.lines[liar, other] += (message,)


def _crash(world: World, peer: int, rows: Rows, rounds: int) -> None:
    """It dies and starts again from its checkpoint; its links are down until they come up."""
    del world.cores[peer]
    world.crashed |= {peer}
    world.train.pop(peer, None)
    for other in rows[peer]:
        _cut(world, peer, other)
    _boot(world, peer, rows, rounds)


def _perform(world: World, peer: int, actions: list[Action]) -> None:
    for action in actions:
        match action:
            case Send(to, message):
                idle = message.kind is Kind.BEGUN and world.cores[to]._phase is not Phase.JOINING
                if world.up[peer, to] and not idle:  # which says nothing to who has begun
                    world.lines[peer, to] += (message,)
            case Train(round, params):
                world.train[peer] = (round, params)
            case Mixed():
                world.kept[peer] = (action.round + 1, action.params)
                world.mixed[peer, action.round] = tuple(action.weights)
                for other, round in action.late:
                    world.mixed[peer, round] = (*world.mixed.get((peer, round), ()), other)
                _perform(world, peer, world.cores[peer].on_evaluated(0.0, None))
            case Finish():
                world.finished[peer] = action
            case _:
                pass


# -- what must hold at an end -----------------------------------------------------------------------------------------


def _one_sided(world: World) -> set[tuple[int, int, int]]:
    """(peer, other, round): `peer` has averaged that round with `other`, and not the other way round."""
    return {
        (peer, other, round)
        for (peer, round), others in world.mixed.items()
        for other in others
        if peer not in world.mixed.get((other, round), ())
    }


def _broken(world: World, liar: int | None) -> Iterator[str]:
    """What does not hold at an end."""
    for peer in world.cores:
        finish = world.finished.get(peer)
        if finish is None or finish.reason != "rounds":
            yield f"peer {peer} ends with {finish}"
    said = {(peer, other, round) for other, finish in world.finished.items() for peer, round in finish.unsettled}
    excused = world.crashed | ({liar} if liar is not None else set())
    for peer, other, round in _one_sided(world) - said:
        if not {peer, other} & excused:
            yield f"only {peer} has averaged round {round} with {other}, which does not say so"
    total = sum(float(params[0]) for _, params in world.kept.values())
    if not excused and not said and abs(total - world.steps) > 1e-3:
        yield f"models sum to {total}, steps to {world.steps}"


# -- copies and keys --------------------------------------------------------------------------------------------------


def _copy(world: World) -> World:
    twin = copy.copy(world)
    twin.cores = {peer: _copied(core) for peer, core in world.cores.items()}
    for name in ("lines", "up", "train", "kept", "finished", "mixed"):
        setattr(twin, name, getattr(world, name).copy())
    return twin


HELD = ("_due", "_withdrawing", "_sent", "_models", "_missing", "_corrections")


def _copied(core: DPSGD) -> DPSGD:
    """A core of its own; vectors are shared, since nobody writes to them, and so is what only times know."""
    twin = copy.copy(core)
    for name in HELD:
        setattr(twin, name, getattr(core, name).copy())
    twin._edges = {peer: copy.copy(edge) for peer, edge in core._edges.items()}
    twin._rule = copy.copy(core._rule)
    twin._members = copy.copy(core._members)
    for name, value in vars(core._members).items():
        if isinstance(value, dict | set):
            setattr(twin._members, name, value.copy())
    twin._gathering = copy.copy(core._gathering)
    twin._gathering._members, twin._gathering._known = twin._members, core._gathering._known.copy()
    return twin


def _key(world: World) -> Any:
    """All that the future depends on, times aside."""
    return (
        tuple((peer, _core_key(core)) for peer, core in world.cores.items()),
        tuple(tuple(map(_message_key, messages)) for messages in world.lines.values()),
        tuple(world.up.values()),
        tuple((peer, round, float(params[0])) for peer, (round, params) in sorted(world.train.items())),
        tuple(float(params[0]) for _, params in world.kept.values()),
        world.absent,
        world.fault,
        tuple(sorted(world.mixed.items())),
        world.steps,
    )


def _core_key(core: DPSGD) -> Any:
    members = core._members
    return (
        core.round,
        core._phase.value,
        tuple(sorted(core._gathering._known)),
        core._gathering._under_way,
        float(core._params[0]),
        float(core._out[0]),
        tuple((name, float(kept[0])) for name, kept in core._rule.memory().items()),
        tuple(sorted(core._due)),
        tuple(sorted(core._withdrawing)),
        tuple((peer, float(model[0])) for peer, model in sorted(core._models.items())),
        tuple((peer, round, float(found[0])) for peer, round, found in core._corrections),
        tuple(sorted(members._reachable)),
        tuple(sorted(members._greeted)),
        tuple(sorted(members._left)),
        tuple(sorted(members.rounds.items())),
        tuple(
            (
                edge.offered and (edge.offered.round, float(edge.offered.own[0])),
                edge.mail and _message_key(edge.mail),
                edge.answered and (edge.answered[0], float(edge.answered[1][0])),
                edge.withdrawn,
                edge.silences,
                edge.linked_since,
            )
            for edge in core._edges.values()
        ),
    )


def _message_key(message: Message) -> Any:
    return (message.kind.value, message.round, message.at, message.params is not None and float(message.params[0]))

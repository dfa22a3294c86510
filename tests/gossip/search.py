"""Exhaustive search: every order in which a few peers' events can happen, with one fault at every possible moment.

Nothing is timed: a training may end at any moment, and a deadline may pass as `Patience` lets it. So what holds here
holds for every clock. Lines deliver in order, as links do; a link that goes down loses what is on it, both ways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, assert_never

import numpy as np

from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.life import Phase
from p2pfl_me.message import Kind, Message
from tests.gossip.lives import (
    Comes,
    Deadline,
    Event,
    Gone,
    Heard,
    Joined,
    Life,
    Linked,
    Lives,
    Rows,
    Trained,
    lies,
    step_of,
)


class Fault(Enum):
    NONE = "none"
    LOSS = "loss"
    DUPLICATE = "duplicate"
    FLAP = "flap"
    CRASH = "crash"
    """State is lost back to the last checkpoint or the one before it; the peer comes back at any moment, or never."""
    LATE = "late join"
    LIE = "lie"
    """A message made up, or one of the liar's own changed, withheld or said twice."""


class Patience(Enum):
    """When a deadline may pass."""

    NONE = "at any moment"
    ARRIVALS = "when nothing is under way"
    RETURNS = "when nothing is under way and no link is down"


class World(NamedTuple):
    """Everything at one moment, by the numbers of `Lives`: a life of each peer, what is on each arc, which pairs are
    linked, whether the fault may still happen, and who has crashed (-1: nobody)."""

    lives: tuple[int, ...]
    lines: tuple[tuple[int, ...], ...]
    up: tuple[bool, ...]
    spared: bool
    crashed: int = -1


@dataclass(frozen=True)
class Found:
    """What the search saw. `one_sided`: ends in which an exchange counts at one end only; `short`: in which a round was
    skipped or trained alone."""

    states: int
    ends: int
    one_sided: int
    short: int
    broken: tuple[str, ...]
    example: tuple[str, ...]
    """The way to the first end that is one-sided."""


class Search:
    """Walk through all that can happen; `who` comes late, crashes, or is the one that lies (None: each of them).

    With `gathered` all that is said at the start has been heard before anybody has trained: for fewer states.
    """

    def __init__(
        self,
        rows: Rows,
        rounds: int,
        fault: Fault,
        *,
        who: int | None = None,
        patience: Patience = Patience.NONE,
        most: int = 1_000_000,
        core: type[DPSGD] = DPSGD,
        gathered: bool = False,
    ) -> None:
        self._rows, self._rounds, self._fault, self._who = rows, rounds, fault, who
        self._patience, self._most, self._gathered = patience, most, gathered
        self._lives = Lives(rows, rounds, core)
        self._arcs = {arc: at for at, arc in enumerate((a, b) for a in rows for b in rows[a])}
        self._pairs = {pair: at for at, pair in enumerate((a, b) for a, b in self._arcs if a < b)}
        self._lies = [self._lives.message(each) for each in lies(rounds)]

    def run(self) -> Found:
        """Depth first, so that one who asks without end is seen to go in a circle."""
        begin = self._begin()
        open_ = {begin: True}
        path = [(begin, self._steps(begin), "")]
        ends = one_sided = short = 0
        broken: list[str] = []
        example: tuple[str, ...] = ()
        while path and len(open_) < self._most and len(broken) < 5:
            world, steps, _ = path[-1]
            for label, each in steps:
                if each not in open_:
                    open_[each] = True
                    path.append((each, self._steps(each), label))
                    break
                if open_[each]:
                    broken.append(f"it goes in a circle: {[way for _, _, way in path]}, {label}")
            else:
                open_[world] = False
                if not any(True for _ in self._steps(world)):
                    ends += 1
                    ways = tuple(way for _, _, way in path[1:])
                    lives = self._all(world)
                    short += any(life.finish is not None and not life.finish.is_whole for life in lives)
                    if _one_sided(lives):
                        one_sided += 1
                        example = example or ways
                    broken += [f"{fault}, by {'; '.join(ways)}" for fault in self._broken(world)]
                path.pop()
        if path and not broken:
            broken.append(f"more than {self._most} states")
        return Found(len(open_), ends, one_sided, short, tuple(broken), example)

    # -- what can happen --------------------------------------------------------------------------------------------

    def _begin(self) -> World:
        absent = self._who if self._fault is Fault.LATE else None
        world = World(
            tuple(self._lives.begin(peer) for peer in self._rows),
            ((),) * len(self._arcs),
            (False,) * len(self._pairs),
            self._fault not in {Fault.NONE, Fault.LATE},
        )
        for peer in self._rows:
            if peer != absent:
                world = self._to(world, peer, Comes())
        for pair in self._pairs:
            if absent not in pair:
                world = self._link(world, pair)
        while self._gathered and (arcs := [arc for arc, at in self._arcs.items() if world.lines[at]]):
            world = self._deliver(world, arcs[0])
        return world

    def _all(self, world: World) -> list[Life]:
        return [self._lives.known[number] for number in world.lives]

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        lives = self._all(world)
        here = [life.core is not None for life in lives]
        coming = any(life.core is None and life.back for life in lives)
        down = [pair for pair, at in self._pairs.items() if not world.up[at] and here[pair[0]] and here[pair[1]]]
        under_way = any(world.lines) or any(life.phase is Phase.TRAINING for life in lives)
        passes = self._patience is Patience.NONE or not under_way
        if self._patience is Patience.RETURNS:
            passes = passes and not down
        for peer, life in enumerate(lives):
            if life.phase is Phase.TRAINING:
                yield f"{peer} has trained", self._to(world, peer, Trained())
            if life.core is None and life.back:
                yield f"{peer} comes", self._to(world, peer, Comes())
            if passes:
                for other in life.due:
                    yield f"{peer} gives {other} up", self._to(world, peer, Deadline(other))
            if life.phase is Phase.JOINING and (coming or passes):  # a greeting was lost, or its sender does not come
                yield f"{peer} has waited long enough", self._to(world, peer, Joined())
        for arc, at in self._arcs.items():
            if world.lines[at]:
                yield self._said("hears", arc, world.lines[at][0]), self._deliver(world, arc)
        for pair in down:
            yield f"{pair} are linked", self._link(world, pair)
        if world.spared:
            yield from self._faults(world._replace(spared=False), lives)

    def _faults(self, world: World, lives: list[Life]) -> Iterator[tuple[str, World]]:
        match self._fault:
            case Fault.LOSS:
                yield from self._lost(world, None)
            case Fault.DUPLICATE:
                yield from self._twice(world, None)
            case Fault.FLAP:
                for pair, at in self._pairs.items():
                    if world.up[at]:
                        yield f"{pair} are cut", self._cut(world, pair)
            case Fault.CRASH:
                for peer, life in enumerate(lives):
                    if self._who in {None, peer} and life.core is not None and life.finish is None:
                        for back, older in ((False, False), (True, False), (True, True)):
                            if not older or len(life.kept) > 1:
                                yield f"{peer} dies ({back=}, {older=})", self._crash(world, peer, Gone(back, older))
            case Fault.LIE:
                yield from self._lost(world, self._who)
                yield from self._twice(world, self._who)
                yield from self._changed(world, self._who)
                for (liar, other), at in self._arcs.items():
                    if self._who in {None, liar} and world.up[self._pairs[min(liar, other), max(liar, other)]]:
                        for lie in self._lies:
                            label = self._said("is lied to,", (liar, other), lie)
                            yield label, _on(world, at, (*world.lines[at], lie))
            case Fault.LATE | Fault.NONE:
                pass
            case _:
                assert_never(self._fault)

    def _lost(self, world: World, sender: int | None) -> Iterator[tuple[str, World]]:
        for arc, at in self._arcs.items():
            if world.lines[at] and sender in {None, arc[0]}:
                yield self._said("never hears", arc, world.lines[at][0]), _on(world, at, world.lines[at][1:])

    def _twice(self, world: World, sender: int | None) -> Iterator[tuple[str, World]]:
        for arc, at in self._arcs.items():
            if world.lines[at] and sender in {None, arc[0]}:
                yield self._said("hears twice", arc, world.lines[at][0]), self._deliver(world, arc, keep=True)

    def _changed(self, world: World, sender: int | None) -> Iterator[tuple[str, World]]:
        """A model with other weights, and a word of another round."""
        for arc, at in self._arcs.items():
            if world.lines[at] and sender in {None, arc[0]}:
                true, *rest = world.lines[at]
                message = self._lives.messages[true]
                for round in {message.round, message.round + 1}:
                    model = None if message.params is None else np.full(1, 7.0, np.float32)
                    false = self._lives.message(Message(message.kind, round, max(message.at, round), model))
                    if false != true:
                        yield self._said("gets instead", arc, false), _on(world, at, (false, *rest))

    def _said(self, what: str, arc: tuple[int, int], message: int) -> str:
        said = self._lives.messages[message]
        return f"{arc[1]} {what} {said.kind.value} {said.round}, {said.at} of {arc[0]}"

    def _to(self, world: World, peer: int, event: Event) -> World:
        """Something happens to one peer, and it says what it says."""
        life, said = self._lives.step(world.lives[peer], event)
        lives = (*world.lives[:peer], life, *world.lives[peer + 1 :])
        if not said:
            return world._replace(lives=lives)
        lines = list(world.lines)
        for to, message in said:
            # BEGUN says nothing to who has begun.
            idle = self._lives.messages[message].kind is Kind.BEGUN
            idle = idle and self._lives.known[world.lives[to]].phase is not Phase.JOINING
            if world.up[self._pairs[min(peer, to), max(peer, to)]] and not idle:
                lines[self._arcs[peer, to]] += (message,)
        return world._replace(lives=lives, lines=tuple(lines))

    def _deliver(self, world: World, arc: tuple[int, int], *, keep: bool = False) -> World:
        at = self._arcs[arc]
        message, *rest = world.lines[at]
        return self._to(world if keep else _on(world, at, tuple(rest)), arc[1], Heard(arc[0], message))

    def _link(self, world: World, pair: tuple[int, int]) -> World:
        at = self._pairs[pair]
        world = world._replace(up=(*world.up[:at], True, *world.up[at + 1 :]))
        for me, other in (pair, pair[::-1]):
            world = self._to(world, me, Linked(other, True))
        return world

    def _cut(self, world: World, pair: tuple[int, int], *, dead: int | None = None) -> World:
        at = self._pairs[pair]
        world = world._replace(up=(*world.up[:at], False, *world.up[at + 1 :]))
        for arc in (pair, pair[::-1]):
            world = _on(world, self._arcs[arc], ())
        for me, other in (pair, pair[::-1]):
            if me != dead:
                world = self._to(world, me, Linked(other, False))
        return world

    def _crash(self, world: World, peer: int, gone: Gone) -> World:
        """It dies, and its links go down."""
        life, _ = self._lives.step(world.lives[peer], gone)
        lives = (*world.lives[:peer], life, *world.lives[peer + 1 :])
        world = world._replace(lives=lives, crashed=peer)
        for pair, at in self._pairs.items():
            if peer in pair and world.up[at]:
                world = self._cut(world, pair, dead=peer)
        return world

    # -- what must hold at an end -------------------------------------------------------------------------------------

    def _broken(self, world: World) -> Iterator[str]:
        """What does not hold at an end."""
        lives = self._all(world)
        liar = self._who if self._fault is Fault.LIE else None
        for life in lives:
            if life.core is None:
                continue
            if life.finish is None or life.finish.reason != "rounds":
                yield f"peer {life.peer} ends with {life.finish}"
            elif life.finish.rounds != len(life.mixed) or life.finish.rounds + life.finish.skipped != self._rounds:
                yield f"peer {life.peer} has trained {len(life.mixed)} rounds and says {life.finish}"
            if life.blamed - {liar}:
                yield f"peer {life.peer} blames an honest neighbour: {sorted(life.blamed)}"
        said = {(peer, life.peer, round) for life in lives if life.finish for peer, round in life.finish.unsettled}
        excused = {world.crashed, liar}
        one_sided = _one_sided(lives)
        for peer, other, round in one_sided - said:
            if not {peer, other} & excused:
                yield f"only {peer} has averaged round {round} with {other}, which does not say so"
        if world.crashed < 0 and liar is None and not one_sided:
            total = sum(life.kept[-1].model for life in lives)
            steps = sum(step_of(life.peer, round) for life in lives for round in life.trained)
            if abs(total - steps) > 1e-3:
                yield f"models sum to {total}, steps to {steps}"


def _one_sided(lives: list[Life]) -> set[tuple[int, int, int]]:
    """(peer, other, round): `peer` has averaged that round with `other`, and not the other way round."""
    mixed = {life.peer: dict(life.mixed) for life in lives}
    return {
        (peer, other, round)
        for peer, rounds in mixed.items()
        for round, others in rounds.items()
        for other in others
        if peer not in mixed[other].get(round, ())
    }


def _on(world: World, at: int, line: tuple[int, ...]) -> World:
    return world._replace(lines=(*world.lines[:at], line, *world.lines[at + 1 :]))

"""The round of the protocols that don't agree on rounds: train, send, merge what has come, go on.

What is sent and how it is merged is an `Averaging`'s: SWIFT, push gossip, push-sum, AD-PSGD. None of them ever depends
on a certain neighbour; an averaging may ask to wait for messages, but only until the adaptive deadline, and for nobody
whose deadlines have passed too often (`waits`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol

from p2pfl_me.gossip.catch_up import FASTER
from p2pfl_me.gossip.hours import Hours
from p2pfl_me.gossip.kind import Seat
from p2pfl_me.gossip.life import Life, Phase
from p2pfl_me.gossip.protocol import NOTHING, Action, Memory, Mixed, Refuse, Send, Timer, Train
from p2pfl_me.gossip.settings import REMEMBERED_ARRIVALS, Settings
from p2pfl_me.gossip.stop import Progress, advance, stop_reason
from p2pfl_me.gossip.waits import Waits
from p2pfl_me.gossip.work import Work
from p2pfl_me.message import Kind, Message, Vector


@dataclass(frozen=True, slots=True)
class Merged:
    """A model after averaging, float32 (P,), with the weights and relative distances of those who are in it."""

    params: Vector = field(repr=False)
    weights: Mapping[int, float]
    distance: Mapping[int, float]


class Averaging(Protocol):
    """What distinguishes one wait-free protocol from the next. It holds the peer's state beyond the current model."""

    waits: ClassVar[bool]
    """Whether a round ever waits for messages; where none does, nobody needs to say how long it takes."""

    def trained(self, round: int, start: Vector, params: Vector, there: frozenset[int]) -> list[Send]:
        """Local training went from `start` to `params`; what to send to whom among those that are `there`."""

    def due(self, round: int) -> Mapping[int, bool]:
        """Whose messages the merge of this round should have, and whether they have come."""

    def merge(self, round: int) -> Merged:
        """The model of this round, from one's own and what has come."""

    def take(self, sender: int, message: Message, params: Vector) -> Sequence[Send | Refuse]:
        """A message has come while `params` is the model that training started from, or the trained one after it."""

    def lost(self, peer: int) -> None:
        """The link to `peer` is down, or it has left."""

    def memory(self) -> Memory:
        """What must be found again after a restart."""


class WaitFree(Life):
    """One peer's core around an averaging. Parameters as for `dpsgd.DPSGD`."""

    def __init__(
        self,
        me: int,
        neighbours: tuple[int, ...],
        params: Vector,
        settings: Settings,
        averaging: Averaging,
        *,
        completed: int = 0,
        progress: Progress | None = None,
        memory: Memory = NOTHING,
    ) -> None:
        super().__init__(me, neighbours, settings, completed, progress)
        self._params = params
        self._averaging = averaging
        self._trained_at = 0.0
        self._waits = Waits(settings, neighbours)
        self._work: deque[float] = deque(maxlen=REMEMBERED_ARRIVALS)
        self._started = self._begun_at = 0.0
        self._hours = Hours(settings.seconds, memory)
        self._everybody = Work(me, settings.work, settings.everyone)
        self._said: dict[int, float] = {}
        """neighbour -> until when it goes on, by its word and this peer's clock."""
        self._met_first: frozenset[int] = frozenset()
        """Who was there when this peer began; words follow greetings, and may come just after that."""
        self._claims: dict[int, int] = {}
        self._alone = False
        self._largest_distance: float | None = None

    @property
    def waiting_for(self) -> frozenset[int]:
        match self._phase:
            case Phase.JOINING:
                return self._gathering.waiting_for
            case Phase.ALONE:
                return self._members.neighbours - self._members.gone
            case Phase.EXCHANGING:
                return self._waits.late
            case Phase.TRAINING | Phase.EVALUATING | Phase.DONE:
                return frozenset()

    # -- inputs -------------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Action]:
        """Wait for the others, but no longer than the contract's patience."""
        self._started = now
        return [*self._gathering.start(now), *self._begin_if_joined(now)]

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        """Local training of this round has ended with `params`."""
        if self._phase is not Phase.TRAINING:
            return []
        self._phase, self._trained_at = Phase.EXCHANGING, now
        self._work.append(now - self._begun_at)
        sends = self._averaging.trained(self.round, self._params, params, self._members.there)
        self._params = params
        waiting = self._waits.trained(now, self._averaging.due(self.round), self._members.there)
        return [*sends, *waiting, *self._merge_if_complete(now)]

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        """The host has logged and stored the round that `Mixed` announced."""
        if self._phase is not Phase.EVALUATING:
            return []
        self._waits.evaluated(now)
        self._completed = self.round + 1
        self.progress = advance(self.progress, validation_loss, alone=self._alone)
        reason = stop_reason(self._settings.stop, self._completed, self.progress, self._largest_distance)
        if reason is None and self._hours.over(now):
            reason = "time"
        if reason is None and self._is_worked:
            reason = "work"
        told = self._everybody.news(self.progress.trained, self._members.there, all_of_it=reason is not None)
        return [*told, *(self._finish(reason) if reason else self._begin(now, self._completed))]

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        """A message of a neighbour; what does not fit is ignored, never an error."""
        if sender not in self._members.neighbours:
            return []
        last, is_push = self._settings.stop.rounds, message.kind is Kind.PUSH
        speaks_of_rounds = message.kind not in {Kind.PRESENT, Kind.LATER, Kind.WAITS, Kind.REST, Kind.WORK}
        if speaks_of_rounds and (message.round > last or (message.at > last and not is_push)):
            return [Refuse(sender, f"{message.kind.value} speaks of a round beyond the contract's last")]
        if self._phase is Phase.DONE:  # who is done still says again what was lost
            return [*self._averaging.take(sender, message, self._params)] if message.kind is Kind.WITHDRAW else []
        if is_push:
            message = replace(message, at=self._believed(now, sender, message.at))
        if self._phase is Phase.JOINING:
            told = self._gathering.hear(now, sender, message)
            return [*told, *self._take(now, sender, message), *self._begin_if_joined(now)]
        was_silent, self._has_heard = not self._has_heard, True
        taken = self._take(now, sender, message)
        return [*taken, *self._go_on_if_alone(now)] if was_silent else taken

    def _take(self, now: float, sender: int, message: Message) -> list[Action]:
        match message.kind:
            case Kind.HELLO:
                self._members.greeted(sender, message.at)
                return self._go_on_if_alone(now)
            case Kind.PRESENT:  # it waits, and the run is under way
                return [] if self._phase is Phase.JOINING else [Send(sender, Message(Kind.BEGUN, 0))]
            case Kind.REST:
                self._said[sender] = now + message.at / 1000
                self._hours.hear(self._told_by_them(), len(self._met_first))
                return []
            case Kind.WORK:
                self._everybody.hear(sender, message.round, message.at)
                return []
            case Kind.LATER | Kind.WAITS:
                return self._waits.heard(now, sender, message, self._members.there)
            case Kind.BEGUN | Kind.WANT | Kind.FINAL:
                return []
            case Kind.LEAVE:
                self._members.left(sender)
                self._averaging.lost(sender)
                self._waits.here(sender)
                return self._merge_if_complete(now)
            case Kind.KEY | Kind.CIRCLE | Kind.MASKED | Kind.ROSTER | Kind.PLEDGE:
                return []
            case Kind.OFFER | Kind.ANSWER | Kind.SKIP | Kind.WITHDRAW | Kind.PUSH:
                owed = self._averaging.due(message.round).get(sender) is False
                replies = self._averaging.take(sender, message, self._params)
                if owed and self._averaging.due(message.round)[sender]:
                    self._waits.came(now, sender, message.round)
                if self._averaging.due(self.round).get(sender):
                    self._waits.here(sender)
                return [*replies, *self._merge_if_complete(now)]

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        """A timer that was set has come; a stale one is ignored."""
        if timer not in {Timer.DEADLINE, Timer.LONG}:
            return self._on_patience(now, timer, round)
        if self._phase not in {Phase.TRAINING, Phase.EXCHANGING} or round != self.round:
            return []
        return [*self._waits.rang(now, timer, self._members.there), *self._merge_if_complete(now)]

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        """The link to `peer` has come up or gone down."""
        if peer not in self._members.neighbours or self._phase is Phase.DONE:
            return []
        if reachable:
            self._members.came_up(peer)
            self._everybody.forget(peer)
            hello = Send(peer, Message(Kind.HELLO, self.round, self.round))
            if self._phase is Phase.JOINING:
                return [hello, *self._gathering.linked(now)]
            rest = self._hours.rest_ms(now)
            told = [] if rest is None else [Send(peer, Message(Kind.REST, 0, rest))]
            work = self._everybody.news(self.progress.trained, [peer])
            return [hello, *told, *work, Send(peer, Message(Kind.BEGUN, 0))]
        self._members.went_down(peer)
        self._averaging.lost(peer)
        self._waits.here(peer)
        return self._merge_if_complete(now)

    # -- rounds -------------------------------------------------------------------------------------------------

    def _open(self, now: float) -> list[Action]:
        """The start is over."""
        self._met_first = self._members.there
        self._hours.begin(now, self._told_by_them(), len(self._met_first))
        return [*self._gathering.begin(), *self._begin(now, self._place_to_join())]

    def _told_by_them(self) -> list[float]:
        """Until when they go on, by the word of those who were there when this peer began."""
        return [self._said[peer] for peer in sorted(self._met_first & self._said.keys())]

    def _place_to_join(self) -> int:
        """A peer that comes late starts where the slowest of the others is, so that it does not end up alone."""
        rounds = [self._members.rounds.get(peer, 0) for peer in self._members.there]
        slowest = min(rounds, default=0)
        return max(self.round, min(slowest, self._settings.stop.rounds - 1))

    def _believed(self, now: float, sender: int, claim: int) -> int:
        """How many trainings a neighbour's model may be said to hold, by its own word.

        As many as one's own or another neighbour's, or as one's clock allows a machine that is `FASTER`: a model's age
        is its weight where they merge, and costs a liar nothing.
        """
        self._claims[sender] = claim
        others = [other for peer, other in self._claims.items() if peer != sender]
        pace_s = min(self._work, default=math.inf) / FASTER
        by_clock = claim if pace_s <= 0 else math.floor((now - self._started) / pace_s)
        return min(claim, max(self.round + 1, by_clock, *others))

    @property
    def _is_worked(self) -> bool:
        members = self._members
        return self._everybody.over(self.progress.trained, members.neighbours, members.neighbours & members.gone)

    def _go_on_if_alone(self, now: float) -> list[Action]:
        return self._begin(now, self.round) if self._phase is Phase.ALONE else []

    def _begin(self, now: float, round: int) -> list[Action]:
        self.round, self._begun_at = round, now
        if round >= self._settings.stop.rounds:
            return self._finish("rounds")
        if self._hours.over(now):
            return self._finish("time")
        if self._is_worked:
            return self._finish("work")
        if (waiting := self._wait_for_company(now)) is not None:
            return waiting
        self._phase = Phase.TRAINING
        told = self._waits.begun(now, round, self._members.there) if self._averaging.waits else []
        return [*told, Train(round, self._params)]

    def _merge_if_complete(self, now: float) -> list[Action]:
        return self._merge(now) if self._phase is Phase.EXCHANGING and not self._waits.late else []

    def _merge(self, now: float) -> list[Action]:
        self._phase = Phase.EVALUATING
        self._waits.merged(now)
        there, due = self._members.there, self._averaging.due(self.round)
        owing = sorted(peer for peer, has_come in due.items() if peer in there and not has_come)
        missing = {peer: self._waits.why_missing(peer) for peer in owing}
        merged = self._averaging.merge(self.round)
        self._params = merged.params
        self._largest_distance = max(merged.distance.values(), default=None)
        memory, wait = {**self._averaging.memory(), **self._hours.memory(now)}, now - self._trained_at
        members = self._members
        absent = {peer: reason for peer in sorted(members.neighbours) if (reason := members.why_absent(peer))}
        lonely = bool(members.neighbours) and not members.there and not merged.weights
        self._alone = lonely and not self._is_left_by_a_rule
        if self._alone:
            missing = absent
        weights, distance = merged.weights, merged.distance
        return [Mixed(self.round, merged.params, weights, missing, distance, wait, memory, alone=self._alone)]


def waitfree_core(seat: Seat, averaging: Averaging) -> WaitFree:
    """The core of a peer around its averaging."""
    start = seat.start
    return WaitFree(
        seat.peer,
        seat.neighbours,
        start.params,
        seat.settings,
        averaging,
        completed=start.completed,
        progress=start.progress,
        memory=start.memory,
    )

"""D-PSGD's round where a receiver learns the weighted sum of its neighbours' models and no single one.

Every peer is a receiver, and a giver to each of its neighbours. A round: train, send each neighbour the model under
masks (MASKED), wait for theirs, name those whose models have come (ROSTER), wait until each of them has pledged
itself to that (PLEDGE), and mix the sum. Pledges are given as long as a peer runs, whatever it does meanwhile. What
protects a model from a receiver that lies is `privacy.masks`'s; here is who waits for whom, and how long.

An edge is no longer atomic: a receiver's sum counts as a whole or not at all. Whoever leaves a neighbour out of its
roster says so (SKIP), and is left out there, too, if that is not too late; so W stays symmetric but for links that
break between the two, and receivers whose sum is lost, which keep their own model for that round. The log says which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Protocol

import numpy as np

from p2pfl_me.aggregation import Mixture
from p2pfl_me.errors import WireError
from p2pfl_me.gossip.edge import SILENCES
from p2pfl_me.gossip.life import Phase
from p2pfl_me.gossip.protocol import NOTHING, Action, Refuse, Send, SetTimer, Timer
from p2pfl_me.gossip.rules import Rule
from p2pfl_me.gossip.settings import TICK_S, Settings
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.gossip.synchronous import NEEDS_MORE, Synchronous
from p2pfl_me.message import Kind, Message, Packed, Vector

FAR = 100.0
"""A sum whose norm is so many times that of one's own model is no models': masks that don't match give such sums."""
Lives = Mapping[int, bytes]


class Sums(Protocol):
    """What hides a peer's models, and what it can learn of its neighbours'. One life's.

    Contents that nobody sends raise `WireError`.
    """

    @property
    def public(self) -> bytes:
        """The key of this life, for its neighbours' other neighbours."""

    def knows(self, receiver: int, circle: Lives, *, all_there: bool) -> bool:
        """Whether a model can be masked for a receiver with that circle; `all_there`: with all its neighbours."""

    def read_lives(self, content: Packed) -> Lives: ...
    def say_lives(self, lives: Lives) -> Packed: ...
    def give(self, receiver: int, round: int, own: Vector, weight: float, circle: Lives) -> Packed | None: ...
    def all_given(self) -> None:
        """All models of a round have been given: nothing of them is kept."""

    def pledge(self, receiver: int, round: int, content: Packed) -> Packed | None: ...
    def read_masked(self, content: Packed, size: int) -> Any: ...
    def read_pledge(self, content: Packed) -> Any: ...
    def roster(self, lives: Lives, models: Mapping[int, Any]) -> Lives: ...
    def total(self, roster: Lives, models: Mapping[int, Any], pledges: Mapping[int, Any], size: int) -> Vector: ...


class _Stage(Enum):
    MODELS = auto()
    PLEDGES = auto()
    LAST_WORDS = auto()
    """The sum is there or lost, the run is over after this round, and others' sums may still need this peer."""


class Masked(Synchronous):
    """One peer's core; parameters as for `Synchronous`, and `sums`: this life's masks."""

    def __init__(
        self,
        me: int,
        weights_at: Callable[[int], Mapping[int, float]],
        neighbours: tuple[int, ...],
        params: Vector,
        settings: Settings,
        sums: Sums,
        *,
        rule: Rule | None = None,
        completed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(
            me, weights_at, neighbours, params, settings, rule=rule, completed=completed, progress=progress
        )
        self._sums = sums
        self._lives: dict[int, bytes] = {}
        """The neighbours' keys: what a receiver's circle is."""
        self._circles: dict[int, Lives] = {}
        """Those that the neighbours, as receivers, have told of."""
        self._asks_at = 0.0
        """When keys that brought no circle are said again."""
        self._stage = _Stage.MODELS
        self._models: dict[int, Any] = {}
        self._roster: Lives = {}
        self._pledges: dict[int, Any] = {}
        self._lost = ""
        """Why this round's sum cannot be had."""
        self._owed: set[int] = set()
        """Neighbours whose roster of this round has not come yet."""

    # -- the start: keys, then circles ----------------------------------------------------------------------------

    def _begin_if_joined(self, now: float) -> list[Action]:
        if self._phase is not Phase.JOINING or not (self._is_acquainted or self._gathering.patience_over):
            return []
        return super()._begin_if_joined(now)

    def _on_patience(self, now: float, timer: Timer, round: int) -> list[Action]:
        """Keys and circles can be lost: who waits for one says its key again, which is answered by a circle."""
        actions = super()._on_patience(now, timer, round)
        over = self._phase is not Phase.JOINING or self._is_acquainted
        if timer is not Timer.GREETING or over or now + TICK_S < self._asks_at:
            return actions  # one chain of timers is enough, however many links came up
        self._asks_at = now + self._settings.deadline_min_s
        asked = [self._key(peer) for peer in sorted(self._members.there)]
        return [*actions, *asked, SetTimer(Timer.GREETING, 0, self._asks_at)]

    @property
    def _is_acquainted(self) -> bool:
        circles, together = self._circles, self._gathering.expects_all
        return all(self._sums.knows(peer, circles.get(peer, {}), all_there=together) for peer in self._members.there)

    def _linked(self, peer: int) -> list[Action]:
        return [self._key(peer), *([self._circle(peer)] if self._lives else [])]

    def _key(self, to: int) -> Send:
        return Send(to, Message(Kind.KEY, self.round, packed=np.frombuffer(self._sums.public, np.uint8)))

    def _circle(self, to: int) -> Send:
        return Send(to, Message(Kind.CIRCLE, self.round, packed=self._sums.say_lives(self._lives)))

    def _on_key(self, sender: int, key: bytes) -> list[Action]:
        if self._lives.get(sender) == key:
            return [self._circle(sender)]  # it asks: a circle was lost, or came to an earlier life
        self._lives[sender] = key
        return [self._circle(peer) for peer in sorted(self._members.there)]

    # -- inputs -------------------------------------------------------------------------------------------------

    def _exchange(self, now: float) -> list[Action]:
        self._stage, self._lost = _Stage.MODELS, ""
        self._models, self._roster, self._pledges = {}, {}, {}
        self._owed = set()
        actions: list[Action] = []
        row = self._weights_at(self.round)
        for peer in sorted(row):
            edge = self._edges[peer]
            if reason := self._why_absent(peer):
                self._missing[peer] = reason
                continue
            actions += self._give(peer, row[peer])
            if edge.mail and edge.mail.round == self.round:
                self._due[peer] = now
                actions += self._accept(now, peer, edge.mail)
            elif self._pace.too_late(edge, self.round, now):
                self._missing[peer] = NEEDS_MORE
            elif edge.silences >= SILENCES:
                self._missing[peer] = "silent"
            else:
                self._due[peer] = self._pace.due(edge, self.round, now, now)
        self._sums.all_given()
        return [*actions, *self._next_deadline(), *self._mix_if_settled(now)]

    def _give(self, peer: int, weight: float) -> list[Action]:
        content = self._sums.give(peer, self.round, self._out, weight, self._circles.get(peer, {}))
        if content is None:
            return [self._key(peer), self._withdraw(peer, self.round)]
        self._owed.add(peer)
        return [Send(peer, Message(Kind.MASKED, self.round, self.round, packed=content))]

    def _take(self, now: float, sender: int, message: Message) -> list[Action]:
        try:
            return self._heard(now, sender, message)
        except WireError as error:
            return [Refuse(sender, str(error))]

    def _heard(self, now: float, sender: int, message: Message) -> list[Action]:
        content = message.packed
        match message.kind:
            case Kind.HELLO:
                return self._greeted(now, sender, message.at)
            case Kind.LEAVE:
                self._members.left(sender)
                return self._without(now, sender, "left")
            case Kind.PRESENT:
                return self._presence(sender)
            case Kind.KEY:
                return self._on_key(sender, _whole(content).tobytes())
            case Kind.CIRCLE:
                self._circles[sender] = self._sums.read_lives(_whole(content))
                return []
            case Kind.MASKED:
                return self._on_masked(now, sender, message)
            case Kind.ROSTER:
                self._see(now, sender, message.at)
                return [*self._on_roster(sender, message), *self._mix_if_settled(now)]
            case Kind.PLEDGE:
                return self._on_pledge(now, sender, message)
            case Kind.SKIP:
                self._see(now, sender, message.at)
                self._edges[sender].withdrawn = max(self._edges[sender].withdrawn, message.round)
                if message.round != self.round:
                    return []
                return self._left_out(now, sender, f"left this peer out, now in round {message.at}")
            case Kind.WITHDRAW:
                self._see(now, sender, message.at)
                return self._without(now, sender, "gives no model") if message.round == self.round else []
            case Kind.LATER | Kind.WAITS:
                return self._foretold(now, sender, message, put_off=self._stage is _Stage.MODELS)
            case Kind.OFFER | Kind.ANSWER | Kind.PUSH | Kind.BEGUN | Kind.WANT | Kind.FINAL | Kind.REST | Kind.WORK:
                return []

    def _on_masked(self, now: float, sender: int, message: Message) -> list[Action]:
        self._see(now, sender, message.round)
        edge = self._edges[sender]
        if message.round == self.round and self._is_open and sender in self._due:
            return [*self._accept(now, sender, message), *self._mix_if_settled(now)]
        over = message.round == self.round and self._phase in {Phase.EXCHANGING, Phase.EVALUATING}
        if message.round < self.round or over:
            if over and (sender in self._models or sender in self._roster):
                return []  # said twice
            self._pace.arrived(edge, message.round, now)
            return [self._skip(sender, message.round)]
        if edge.mail is None or edge.mail.round < message.round:
            edge.mail = message
        return self._drop(now, sender, f"went on to round {message.round}") if message.round > self.round else []

    def _accept(self, now: float, peer: int, message: Message) -> list[Action]:
        edge = self._edges[peer]
        edge.mail = None
        try:
            self._models[peer] = self._sums.read_masked(_whole(message.packed), self._out.size)
        except WireError as error:
            return [Refuse(peer, str(error))]
        del self._due[peer]
        self._pace.arrived(edge, self.round, now)
        return []

    def _on_roster(self, sender: int, message: Message) -> list[Action]:
        content = _whole(message.packed)
        if message.round == self.round:
            self._settle_debt(sender)
        if self._sums.read_lives(content).keys() == {sender}:
            return []  # it has no sum in this round
        pledge = self._sums.pledge(sender, message.round, content)
        if pledge is None:
            return [self._withdraw(sender, message.round)]
        return [Send(sender, Message(Kind.PLEDGE, message.round, min(self.round, message.round + 1), packed=pledge))]

    def _on_pledge(self, now: float, sender: int, message: Message) -> list[Action]:
        awaited = self._phase is Phase.EXCHANGING and self._stage is _Stage.PLEDGES and sender in self._due
        if not awaited or message.round != self.round:
            return []
        self._pledges[sender] = self._sums.read_pledge(_whole(message.packed))
        del self._due[sender]
        return self._mix_if_settled(now)

    def _given_up(self, now: float) -> list[Action]:
        for peer in sorted(peer for peer, due in self._due.items() if due <= now + TICK_S):
            self._due.pop(peer, None)
            match self._stage:
                case _Stage.MODELS:
                    self._edges[peer].silences += 1
                    self._missing[peer] = "deadline"
                case _Stage.PLEDGES:
                    self._edges[peer].silences += 1
                    self._lose(f"no pledge of peer {peer}")
                case _Stage.LAST_WORDS:
                    self._owed.discard(peer)
        return []

    def _cut_off(self, now: float, peer: int) -> list[Action]:
        self._edges[peer].mail = None
        return self._without(now, peer, "unreachable")

    def _after_the_end(self, sender: int, message: Message) -> list[Action]:
        """Who is done still pledges itself."""
        try:
            return self._on_roster(sender, message) if message.kind is Kind.ROSTER else []
        except WireError as error:
            return [Refuse(sender, str(error))]

    # -- the sum --------------------------------------------------------------------------------------------------

    @property
    def _is_open(self) -> bool:
        """Whether models may still join this round's sum."""
        return self._phase is Phase.EXCHANGING and self._stage is _Stage.MODELS

    def _left_out(self, now: float, peer: int, reason: str) -> list[Action]:
        """`peer` has a sum without this one's model: so has this one without its own, if it is not too late."""
        self._owed.discard(peer)
        if self._is_open or self._stage is _Stage.LAST_WORDS:
            return self._without(now, peer, reason)
        return []

    def _without(self, now: float, peer: int, reason: str) -> list[Action]:
        """`peer` takes no part in this round any more."""
        if self._phase is not Phase.EXCHANGING:
            return []
        self._owed.discard(peer)
        match self._stage:
            case _Stage.MODELS:
                if self._models.pop(peer, None) is not None:
                    self._missing[peer] = reason
            case _Stage.PLEDGES:
                if peer in self._due:
                    self._lose(f"peer {peer} {reason}")
            case _Stage.LAST_WORDS:
                self._due.pop(peer, None)
                return self._mix_if_settled(now)
        return self._drop(now, peer, reason) if peer in self._due else self._mix_if_settled(now)

    def _drop(self, now: float, peer: int, reason: str) -> list[Action]:
        """Who has gone on still pledges itself: only its model is not to be waited for."""
        return super()._drop(now, peer, reason) if self._stage is _Stage.MODELS else []

    def _settle_debt(self, peer: int) -> None:
        self._owed.discard(peer)
        if self._stage is _Stage.LAST_WORDS:
            self._due.pop(peer, None)

    def _lose(self, why: str) -> None:
        self._lost, self._due = f"the sum was lost: {why}", {}

    def _mix_if_settled(self, now: float) -> list[Action]:
        if self._phase is not Phase.EXCHANGING or self._due:
            return []
        if self._stage is _Stage.MODELS:
            return self._name(now)
        if self._stage is _Stage.PLEDGES and self._is_last and self._owed & self._members.there:
            self._stage = _Stage.LAST_WORDS
            self._due = dict.fromkeys(self._owed & self._members.there, now + self._settings.deadline_max_s)
            return self._next_deadline()
        return self._conclude(now)

    def _name(self, now: float) -> list[Action]:
        """All models are here that will come: who is on the roster?"""
        self._stage = _Stage.PLEDGES
        self._roster = self._sums.roster(self._lives, self._models)
        self._due = dict.fromkeys(self._roster, now + self._pace.settling_s)
        for peer in self._models.keys() - self._roster.keys():
            few = "too few models for a sum" if not self._roster else "masked for others than those that are there"
            self._missing[peer] = few
        left_out = sorted((self._weights_at(self.round).keys() - self._roster.keys()) & self._members.there)
        if not self._roster:  # its own models still count where they are in a sum
            said = self._sums.say_lives({self.me: self._sums.public})
            told: list[Action] = [self._say_roster(peer, said) for peer in left_out]
        else:
            said = self._sums.say_lives(self._roster)
            told = [self._skip(peer, self.round) for peer in left_out]
            told += [self._say_roster(peer, said) for peer in self._roster]
        stale = sorted(self._models.keys() - self._roster.keys())
        return [*told, *(self._circle(peer) for peer in stale), *self._next_deadline(), *self._mix_if_settled(now)]

    def _conclude(self, now: float) -> list[Action]:
        self._phase, self._mixed_at = Phase.EVALUATING, now
        row = self._weights_at(self.round)
        total = None if self._lost or not self._roster else self._sum()
        if total is None:
            self._missing |= dict.fromkeys(self._roster, self._lost)
            mixture = Mixture(self._out, {}, {})
        else:
            weights = {peer: row[peer] for peer in self._roster}
            mixture = Mixture(np.float32(1 - sum(weights.values())) * self._out + total, {}, weights)
        self._params = self._rule.incoming(self._params, self._trained, mixture.params)
        self._models, self._pledges = {}, {}
        return self._mixed(now, mixture, NOTHING, (), alone=bool(row) and total is None)

    def _sum(self) -> Vector | None:
        try:
            total = self._sums.total(self._roster, self._models, self._pledges, self._out.size)
        except WireError as error:
            self._lose(str(error))
            return None
        if float(np.linalg.norm(total)) > FAR * (float(np.linalg.norm(self._out)) + 1.0):
            self._lose("it is so far from every model that somebody's masks were no masks")
            return None
        return total

    def _say_roster(self, to: int, content: Packed) -> Send:
        return Send(to, Message(Kind.ROSTER, self.round, self.round, packed=content))

    def _skip(self, to: int, round: int) -> Send:
        """As a receiver: your model is not in my sum."""
        return Send(to, Message(Kind.SKIP, round, self.round))

    def _withdraw(self, to: int, round: int) -> Send:
        """As a giver: mine is not to be had."""
        return Send(to, Message(Kind.WITHDRAW, round, self.round))


def _whole(content: Packed | None) -> Packed:
    if content is None:
        raise WireError("a word without its content")
    return content

"""Synchronous decentralised SGD (Lian et al., NeurIPS 2017) as a pure state machine.

Each round: train, exchange models with this round's neighbours, average with Metropolis-Hastings weights. The
exchange on an edge is atomic: the higher id offers its model; the lower id, once it has trained and holds the
offer, answers with its own. The answer is the receipt: the lower id mixes the edge if and only if it answered,
the higher id if and only if it got the answer. Whoever gives up says so (SKIP, WITHDRAW), and both ends return the
edge's weight to their diagonals; so W stays doubly stochastic under any delay and any loss, and only the crash of
a peer between answering and finishing its round can make an edge one-sided.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum, auto

from p2pfl_me.aggregation.rules.mean import Mean
from p2pfl_me.gossip.deadline import deadline
from p2pfl_me.gossip.exchange import Content, Exchange, Whole, carrying
from p2pfl_me.gossip.protocol import Action, Finish, Mixed, Refuse, Send, SetTimer, Timer, Train
from p2pfl_me.gossip.rules import Plain, Rule
from p2pfl_me.gossip.settings import REMEMBERED_ARRIVALS, Settings
from p2pfl_me.gossip.stop import Progress, advance, stop_reason
from p2pfl_me.message import Kind, Message, Vector


class _Phase(Enum):
    JOINING = auto()
    TRAINING = auto()
    EXCHANGING = auto()
    EVALUATING = auto()
    DONE = auto()


class DPSGD:
    """One peer's core.

    Parameters
    ----------
    me:
        This peer's id.
    weights_at:
        round -> {neighbour: W_ij}, this peer's row of the mixing matrix without the diagonal.
    neighbours:
        Everyone who is a neighbour in some round.
    params:
        The model to start from, float32 (P,).
    rule:
        What is exchanged after training and what follows from its average; the trained model itself if None.
    exchange:
        How that travels and what becomes of it; whole models and their weighted mean if None.
    watches_all:
        The stop rule goes by the rule's own estimate of all peers' distance, not by the neighbours' models.
    completed:
        Rounds completed before (a resumed peer); training starts with round `completed`, or later if the
        neighbours are further.
    """

    def __init__(
        self,
        me: int,
        weights_at: Callable[[int], Mapping[int, float]],
        neighbours: tuple[int, ...],
        params: Vector,
        settings: Settings,
        *,
        rule: Rule | None = None,
        exchange: Exchange | None = None,
        watches_all: bool = False,
        completed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        self.me = me
        self.round = completed
        self.progress = progress or Progress()
        self._completed = completed
        self._weights_at = weights_at
        self._neighbours = frozenset(neighbours)
        self._rule = rule or Plain()
        self._exchange = exchange or Whole(me, Mean(), settings.stop.rounds)
        self._watches_all = watches_all
        self._params = params
        """The model that the last round ended with."""
        self._trained = self._out = params
        """What local training made of it, and what of that is exchanged."""
        self._settings = settings
        self._phase = _Phase.JOINING
        self._reachable: set[int] = set()
        self._greeted: set[int] = set()
        self._left: set[int] = set()
        self._rounds_seen: dict[int, int] = {}
        self._mailbox: dict[int, Message] = {}
        self._withdrawn: dict[int, int] = {}
        self._answered: dict[int, tuple[int, Content]] = {}
        self._offsets: deque[float] = deque(maxlen=REMEMBERED_ARRIVALS)
        self._pending: set[int] = set()
        self._sent: dict[int, Content] = {}
        self._models: dict[int, Content] = {}
        self._missing: dict[int, str] = {}
        self._trained_at = 0.0
        self._late_since: tuple[int, float] | None = None
        self._largest_distance: float | None = None

    @property
    def waiting_for(self) -> frozenset[int]:
        """The neighbours this peer now waits for: their greeting before the first round, their model later."""
        if self._phase is _Phase.JOINING:
            return frozenset(self._neighbours - self._greeted - self._left)
        return frozenset(self._pending)

    # -- inputs ---------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Action]:
        """Wait for the neighbours, but no longer than the join timeout."""
        at = now + self._settings.join_wait_s(self._completed)
        return [SetTimer(Timer.JOIN, self.round, at), *self._begin_if_joined()]

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        """Local training of this round has ended with `params`."""
        if self._phase is not _Phase.TRAINING:
            return []
        self._phase = _Phase.EXCHANGING
        self._trained, self._trained_at = params, now
        self._out = self._rule.outgoing(self.round, self._params, params)
        self._sent, self._models, self._missing, self._pending = {}, {}, {}, set()
        actions: list[Action] = []
        for peer in sorted(self._weights_at(self.round)):
            if reason := self._why_absent(peer):
                self._missing[peer] = reason
            elif self.me > peer:
                self._pending.add(peer)
                self._sent[peer] = content = self._exchange.pack(peer, self.round, self._out)
                actions.append(Send(peer, carrying(Kind.OFFER, self.round, self.round, content)))
            else:
                self._pending.add(peer)
                if (mail := self._mailbox.get(peer)) and mail.round == self.round:
                    del self._mailbox[peer]
                    actions += self._answer(now, peer, mail)
        if self._pending:
            wait = deadline(
                self._offsets,
                min_s=self._settings.deadline_min_s,
                max_s=self._settings.deadline_max_s,
                mads=self._settings.deadline_mads,
            )
            actions.append(SetTimer(Timer.DEADLINE, self.round, now + wait))
        return actions + self._mix_if_settled(now)

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        """The host has logged and stored the round that `Mixed` announced."""
        if self._phase is not _Phase.EVALUATING:
            return []
        self._completed = self.round + 1
        self.progress = advance(self.progress, validation_loss)
        reason = stop_reason(self._settings.stop, self._completed, self.progress, self._largest_distance)
        if reason:
            return self._finish(reason)
        return self._begin(max(self.round + 1, self._furthest()))

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        """A message of a neighbour; anything that does not fit is answered or ignored, never an error."""
        if sender not in self._neighbours or self._phase is _Phase.DONE:
            return []
        match message.kind:
            case Kind.HELLO:
                self._greeted.add(sender)
                self._left.discard(sender)
                # A greeting opens a fresh link: the sender may have come back from an older checkpoint.
                self._rounds_seen[sender] = message.at
                gone_on = self._drop(now, sender, f"went on to round {message.at}") if message.at > self.round else []
                return [*gone_on, *self._begin_if_joined()]
            case Kind.LEAVE:
                self._left.add(sender)
                return [*self._drop(now, sender, "left"), *self._begin_if_joined()]
            case Kind.OFFER:
                return self._on_offer(now, sender, message)
            case Kind.ANSWER:
                return self._on_answer(now, sender, message)
            case Kind.SKIP:
                self._see(sender, message.at)
                if message.round != self.round or self.me < sender:
                    return []
                return self._drop(now, sender, f"skipped by the neighbour, now in round {message.at}")
            case Kind.WITHDRAW:
                return self._on_withdraw(now, sender, message.round)
            case Kind.PUSH:
                return []

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        """A timer that was set has come; a stale one is ignored."""
        if timer is Timer.JOIN:
            return self._begin(max(self.round, self._furthest())) if self._phase is _Phase.JOINING else []
        if timer is Timer.GREETING:
            self._greeted |= self._reachable  # a link that is up is enough, should its greeting be lost
            return self._begin_if_joined()
        if self._phase is not _Phase.EXCHANGING or round != self.round:
            return []
        actions: list[Action] = []
        for peer in sorted(self._pending):
            if self.me > peer:
                # Only the lower id may end the exchange: it may have answered already.
                actions.append(Send(peer, Message(Kind.WITHDRAW, self.round, self.round)))
            else:
                self._pending.discard(peer)
                self._missing[peer] = "deadline"
                actions.append(Send(peer, Message(Kind.SKIP, self.round, self.round)))
        if self._pending:
            at = now + self._settings.deadline_min_s
            actions.append(SetTimer(Timer.DEADLINE, self.round, at))
        return actions + self._mix_if_settled(now)

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        """The link to `peer` has come up or gone down."""
        if peer not in self._neighbours or self._phase is _Phase.DONE:
            return []
        if reachable:
            self._reachable.add(peer)
            # On an edge that is settled for this round, the next exchange is the next round's.
            at = self.round + 1 if self._is_settled(peer) else self.round
            hello = Send(peer, Message(Kind.HELLO, self.round, at))
            if self._phase is not _Phase.JOINING:
                return [hello]
            return [hello, SetTimer(Timer.GREETING, self.round, now + self._settings.deadline_min_s)]
        self._reachable.discard(peer)
        self._greeted.discard(peer)
        # The other end has dropped what was under way on the lost link; so must this one.
        self._mailbox.pop(peer, None)
        return self._drop(now, peer, "unreachable")

    def on_stop(self, now: float) -> list[Action]:
        """The user stops this peer."""
        return [] if self._phase is _Phase.DONE else self._finish("stopped")

    # -- the exchange on one edge -----------------------------------------------------------------------------

    def _on_offer(self, now: float, sender: int, message: Message) -> list[Action]:
        if self.me > sender or message.content is None:
            return []
        self._see(sender, message.round)
        if message.round < self.round or (message.round == self.round and self._is_settled(sender)):
            self._note_lateness(now, message.round)
            return self._reply_to_settled(sender, message.round)
        if message.round == self.round and sender in self._pending:
            return [*self._answer(now, sender, message), *self._mix_if_settled(now)]
        if (mail := self._mailbox.get(sender)) is None or mail.round < message.round:
            self._mailbox[sender] = message
        if message.round > self.round:
            return self._drop(now, sender, f"went on to round {message.round}")
        return []

    def _on_answer(self, now: float, sender: int, message: Message) -> list[Action]:
        if sender not in self._pending or self.me < sender or message.round != self.round:
            return []
        if message.content is None:
            return []
        self._see(sender, message.round)
        if fault := self._exchange.fault(sender, message.round, message.content):
            return [Refuse(sender, fault)]
        self._pending.discard(sender)
        self._models[sender] = message.content
        self._offsets.append(now - self._trained_at)
        return self._mix_if_settled(now)

    def _on_withdraw(self, now: float, sender: int, round: int) -> list[Action]:
        if self.me > sender:
            return []
        self._see(sender, round)
        if self._answered.get(sender, (-1,))[0] == round:
            return self._reply_to_settled(sender, round)
        self._withdrawn[sender] = round
        if (mail := self._mailbox.get(sender)) and mail.round <= round:
            del self._mailbox[sender]
        skip = Send(sender, Message(Kind.SKIP, round, self.round))
        if round != self.round:
            return [skip]
        return [skip, *self._drop(now, sender, "withdrawn by the neighbour")]

    def _answer(self, now: float, peer: int, offer: Message) -> list[Action]:
        """Answer an offer of this round that this peer has waited for, and so settle the edge."""
        assert offer.content is not None
        if fault := self._exchange.fault(peer, self.round, offer.content):
            return [Refuse(peer, fault)]
        self._pending.discard(peer)
        self._offsets.append(now - self._trained_at)
        self._models[peer] = offer.content
        self._sent[peer] = content = self._exchange.pack(peer, self.round, self._out)
        self._answered[peer] = (self.round, content)
        return [Send(peer, carrying(Kind.ANSWER, self.round, self.round, content))]

    def _reply_to_settled(self, peer: int, round: int) -> list[Action]:
        """The offer or withdrawal repeats one that was settled: say again how."""
        answered = self._answered.get(peer)
        if answered and answered[0] == round:
            return [Send(peer, carrying(Kind.ANSWER, round, self.round, answered[1]))]
        return [Send(peer, Message(Kind.SKIP, round, self.round))]

    def _drop(self, now: float, peer: int, reason: str) -> list[Action]:
        if peer not in self._pending:
            return []
        self._pending.discard(peer)
        self._missing[peer] = reason
        return self._mix_if_settled(now)

    def _is_settled(self, peer: int) -> bool:
        return self._phase in {_Phase.EXCHANGING, _Phase.EVALUATING} and peer not in self._pending

    def _why_absent(self, peer: int) -> str | None:
        if peer in self._left:
            return "left"
        if peer not in self._reachable:
            return "unreachable"
        if self._withdrawn.get(peer) == self.round:
            return "withdrawn by the neighbour"
        if (seen := self._rounds_seen.get(peer, 0)) > self.round:
            return f"went on to round {seen}"
        return None

    # -- rounds -------------------------------------------------------------------------------------------------

    def _begin_if_joined(self) -> list[Action]:
        if self._phase is _Phase.JOINING and self._neighbours <= self._greeted | self._left:
            return self._begin(max(self.round, self._furthest()))
        return []

    def _begin(self, round: int) -> list[Action]:
        self.round = round
        if self.round >= self._settings.stop.rounds:
            return self._finish("rounds")
        self._phase = _Phase.TRAINING
        stale = {peer: mail.round for peer, mail in sorted(self._mailbox.items()) if mail.round < self.round}
        for peer in stale:
            del self._mailbox[peer]
        skips: list[Action] = [Send(peer, Message(Kind.SKIP, round, self.round)) for peer, round in stale.items()]
        return [*skips, Train(self.round, self._params)]

    def _mix_if_settled(self, now: float) -> list[Action]:
        if self._phase is not _Phase.EXCHANGING or self._pending:
            return []
        self._phase = _Phase.EVALUATING
        self._late_since = (self.round, self._trained_at)
        row = self._weights_at(self.round)
        mixture = self._exchange.average(self._out, row, self.round, self._sent, self._models)
        self._params = self._rule.incoming(self._params, self._trained, mixture.params)
        trusted = {peer: far for peer, far in mixture.distance.items() if peer not in mixture.refused}
        self._largest_distance = self._how_far(trusted)
        self._sent, self._models = {}, {}
        missing = dict(sorted(self._missing.items()))
        wait = now - self._trained_at
        memory = {**self._rule.memory(), **self._exchange.memory()}
        return [
            Mixed(
                self.round,
                self._params,
                mixture.weights,
                missing,
                mixture.distance,
                wait,
                memory,
                self._rule.distance,
                mixture.refused,
            )
        ]

    def _how_far(self, distance: Mapping[int, float]) -> float | None:
        """What the stop rule takes for disagreement: that of all peers if it is watched, else the neighbours'."""
        return self._rule.distance if self._watches_all else max(distance.values(), default=None)

    def _furthest(self) -> int:
        """The furthest round of a neighbour that did not wait: a peer that fell behind joins it there."""
        there = (self._reachable & self._rounds_seen.keys()) - self._left
        furthest = max((self._rounds_seen[peer] for peer in there if self._passed_by(peer)), default=0)
        # Never past the last round: a peer that comes back late still trains and mixes once.
        return min(furthest, self._settings.stop.rounds - 1)

    def _passed_by(self, peer: int) -> bool:
        """Whether `peer` has gone beyond a round that it shares with this one and that this one has not begun.

        Where edges change from round to round, a neighbour may well be rounds ahead without having missed anyone.
        """
        begin = self.round if self._phase is _Phase.JOINING else self.round + 1
        return any(peer in self._weights_at(round) for round in range(begin, self._rounds_seen[peer]))

    def _see(self, peer: int, round: int) -> None:
        self._rounds_seen[peer] = max(round, self._rounds_seen.get(peer, 0))

    def _note_lateness(self, now: float, round: int) -> None:
        """An offer that missed its deadline still teaches how long this neighbour takes."""
        if self._late_since and self._late_since[0] == round:
            self._offsets.append(now - self._late_since[1])

    def _finish(self, reason: str) -> list[Action]:
        self._phase = _Phase.DONE
        there = sorted(self._reachable - self._left)
        leave: list[Action] = [Send(peer, Message(Kind.LEAVE, self.round, self._completed)) for peer in there]
        return [*leave, Finish(reason, self._completed)]

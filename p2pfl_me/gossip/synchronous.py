"""What peers of common rounds share, however they exchange: the start, training, where to go on.

A subclass says how a round's models travel and what becomes of them. It keeps in `_due` until when it waits for whom,
and nobody waits past that, whatever the other end says.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping

from p2pfl_me.aggregation import Mixture
from p2pfl_me.gossip.catch_up import place
from p2pfl_me.gossip.edge import Edge
from p2pfl_me.gossip.life import Life, Phase
from p2pfl_me.gossip.outlook import NEWS, Outlook
from p2pfl_me.gossip.pace import Pace
from p2pfl_me.gossip.protocol import Action, Memory, Mixed, Refuse, Send, SetTimer, Timer, Train
from p2pfl_me.gossip.rules import Plain, Rule, sent_of
from p2pfl_me.gossip.settings import TICK_S, Settings
from p2pfl_me.gossip.stop import Progress, advance, stop_reason
from p2pfl_me.message import Kind, Message, Vector


class Synchronous(Life):
    """One peer's core, but for the exchange.

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
        watches_all: bool = False,
        completed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(me, neighbours, settings, completed, progress)
        self.me = me
        self._weights_at = weights_at
        self._neighbours = frozenset(neighbours)
        self._edges = {peer: Edge() for peer in sorted(neighbours)}
        self._rule = rule or Plain()
        self._watches_all = watches_all
        self._params = params
        """The model that the last round ended with."""
        self._trained = self._out = params
        """What local training made of it, and what of that is exchanged."""
        self._pace = Pace(settings)
        self._outlook = Outlook(settings)
        self._due: dict[int, float] = {}
        """Until when to wait for whom."""
        self._missing: dict[int, str] = {}
        self._begun_at = self._trained_at = self._mixed_at = 0.0
        self._largest_distance: float | None = None
        self._alone = False
        self._looks_again = -1, 0.0
        """In which round, and when, this peer looks again for whom it waits."""

    # -- what a subclass says -----------------------------------------------------------------------------------

    @abstractmethod
    def _exchange(self, now: float) -> list[Action]:
        """The round's training has ended with `_trained`; tell the neighbours `_out`."""

    @abstractmethod
    def _take(self, now: float, sender: int, message: Message) -> list[Action]:
        """A message of a neighbour, before this peer's end."""

    @abstractmethod
    def _after_the_end(self, sender: int, message: Message) -> list[Action]:
        """A message that came after it."""

    @abstractmethod
    def _given_up(self, now: float) -> list[Action]:
        """The deadline of someone in `_due` has come."""

    @abstractmethod
    def _linked(self, peer: int) -> list[Action]:
        """What is said on a fresh link beside the greeting."""

    @abstractmethod
    def _cut_off(self, now: float, peer: int) -> list[Action]:
        """The link to `peer` has gone down."""

    @abstractmethod
    def _mix_if_settled(self, now: float) -> list[Action]:
        """Conclude the round by `_mixed`, unless somebody is waited for."""

    def _take_in(self, now: float, peer: int) -> list[Action]:
        """`peer`, which was not there when this round's exchange began, has come: whether it takes part in it."""
        return []

    def _asks(self, peer: int) -> bool:
        """In the last round: whether only a reply of `peer` tells if an exchange with it counts."""
        return False

    # -- inputs ---------------------------------------------------------------------------------------------

    @property
    def waiting_for(self) -> frozenset[int]:
        """The neighbours this peer now waits for: their greeting before the first round, their model later."""
        match self._phase:
            case Phase.JOINING:
                return self._gathering.waiting_for
            case Phase.ALONE:
                return self._neighbours - self._members.gone
            case Phase.TRAINING | Phase.EXCHANGING | Phase.EVALUATING | Phase.DONE:
                return frozenset(self._due)

    def start(self, now: float) -> list[Action]:
        """Wait for the others, but no longer than the contract's patience."""
        for edge in self._edges.values():
            edge.stood = self.round, now
        return [*self._gathering.start(now), *self._begin_if_joined(now)]

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        """Local training of this round has ended with `params`."""
        if self._phase is not Phase.TRAINING:
            return []
        self._phase = Phase.EXCHANGING
        self._trained, self._trained_at = params, now
        self._pace.trained(self.round, now)
        self._out = sent_of(self._rule, self.round, self._params, params, self._settings.largest_norm)
        self._missing, self._due = {}, {}
        exchanged = self._exchange(now)
        return [*exchanged, *self._foretell_wait(now)]

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        """The host has logged and stored the round that `Mixed` announced."""
        if self._phase is not Phase.EVALUATING:
            return []
        self._pace.worked(self._trained_at - self._begun_at + now - self._mixed_at)
        self._completed = self.round + 1
        self.progress = advance(self.progress, validation_loss, alone=self._alone)
        reason = stop_reason(self._settings.stop, self._completed, self.progress, self._largest_distance)
        if reason:
            return self._finish(reason)
        return self._begin(now, self._place(now, self.round + 1))

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        """A message of a neighbour; anything that does not fit is answered, refused or ignored, never an error."""
        if sender not in self._neighbours:
            return []
        promises = message.kind in {Kind.LATER, Kind.WAITS}
        at = 0 if promises else message.at
        if message.kind is not Kind.PRESENT and max(message.round, at) > self._settings.stop.rounds:
            return [Refuse(sender, f"{message.kind.value} speaks of a round beyond the contract's last")]
        if self._phase is Phase.DONE:
            return self._after_the_end(sender, message)
        if self._phase is Phase.JOINING:
            told = self._gathering.hear(now, sender, message)
            return [*told, *self._take(now, sender, message), *self._begin_if_joined(now)]
        was_silent, self._has_heard = not self._has_heard, True
        taken = self._take(now, sender, message)
        return [*taken, *self._go_on_if_alone(now)] if was_silent else taken

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        """A timer that was set has come; a stale one is ignored."""
        if timer is Timer.LONG:
            return self._still_busy(now) if round == self.round else []
        if timer is not Timer.DEADLINE:
            return self._on_patience(now, timer, round)
        if self._phase is not Phase.EXCHANGING or round != self.round:
            return []
        return [*self._given_up(now), *self._next_deadline(), *self._mix_if_settled(now)]

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        """The link to `peer` has come up or gone down."""
        if peer not in self._neighbours:
            return []
        if self._phase is Phase.DONE:
            return [Send(peer, self._goodbye)] if reachable else []
        if reachable:
            self._members.came_up(peer)
            taken_in = self._take_in(now, peer)
            # On an edge that is settled for this round, the next exchange is the next round's.
            at = self.round + 1 if self._is_settled(peer) else self.round
            hello, linked = Send(peer, Message(Kind.HELLO, self.round, at)), self._linked(peer)
            if self._phase is Phase.JOINING:
                return [hello, *linked, *self._gathering.linked(now)]
            return [hello, Send(peer, Message(Kind.BEGUN, 0)), *linked, *taken_in]
        self._members.went_down(peer)
        self._edges[peer].linked_since = False
        return self._cut_off(now, peer)

    # -- words that every exchange has ---------------------------------------------------------------------------

    def _greeted(self, now: float, sender: int, at: int) -> list[Action]:
        """HELLO opens a fresh link: the sender may have come back from an older checkpoint."""
        self._members.greeted(sender, at)
        self._stands(now, sender)
        gone_on: list[Action] = []
        if at > self.round and not self._asks(sender):
            gone_on = self._drop(now, sender, f"went on to round {at}")
        return [*gone_on, *self._go_on_if_alone(now)]

    def _presence(self, sender: int) -> list[Action]:
        """PRESENT: it waits, and the run is under way."""
        return [] if self._phase is Phase.JOINING else [Send(sender, Message(Kind.BEGUN, 0))]

    def _drop(self, now: float, peer: int, reason: str) -> list[Action]:
        if self._due.pop(peer, None) is None:
            return []
        self._missing[peer] = reason
        return self._mix_if_settled(now)

    @property
    def _is_last(self) -> bool:
        """What is not settled in this round never will be."""
        return self.round + 1 >= self._settings.stop.rounds

    def _is_settled(self, peer: int) -> bool:
        return self._phase in {Phase.EXCHANGING, Phase.EVALUATING} and peer not in self._due

    def _why_absent(self, peer: int) -> str | None:
        if reason := self._members.why_absent(peer):
            return reason
        if self._edges[peer].withdrawn == self.round:
            return "withdrawn by the neighbour"
        if (seen := self._members.rounds.get(peer, 0)) > self.round:
            return f"went on to round {seen}"
        return None

    # -- how long it takes ---------------------------------------------------------------------------------------

    def _foretell_training(self, now: float, expected_s: float) -> list[Action]:
        again_at = now + max(expected_s, self._outlook.long_s)
        return [*self._foretell(now, expected_s, Kind.LATER, self.round), SetTimer(Timer.LONG, self.round, again_at)]

    def _still_busy(self, now: float) -> list[Action]:
        """It takes longer than ever before: as much again is the best guess that there is; or somebody is waited for
        who may not come at all."""
        if self._phase is Phase.TRAINING:
            return self._foretell_training(now, now - self._begun_at)
        return self._foretell_wait(now)

    def _foretell_wait(self, now: float) -> list[Action]:
        """This peer waits for others, and trains after that: nobody further should give it up meanwhile.

        Whoever waits longer than peers do that say nothing speaks of when it goes on at the latest, without those who
        should be here by now; before that, of when they are likely to come.
        """
        if self._phase is not Phase.EXCHANGING or not self._due:
            return []
        long_at = self._trained_at + self._outlook.long_s
        is_long = now + TICK_S >= long_at
        likely = {peer: self._pace.expected_at(self._edges[peer], self.round, self._trained_at) for peer in self._due}
        last = max(
            self._over_at(peer) if is_long and likely[peer] <= now + TICK_S else min(due, likely[peer])
            for peer, due in self._due.items()
        )
        told = self._foretell(now, last - now + self._pace.work_s, Kind.WAITS, self.round + 1)
        again_at = min((at for at in likely.values() if at > now + TICK_S), default=None) if is_long else long_at
        if again_at is None or again_at >= max(self._due.values()):
            return told
        round, rings_at = self._looks_again
        if round == self.round and now + TICK_S < rings_at <= again_at + NEWS * self._settings.deadline_min_s:
            return told  # soon enough, and then again
        self._looks_again = self.round, again_at
        return [*told, SetTimer(Timer.LONG, self.round, again_at)]

    def _over_at(self, peer: int) -> float:
        """When this peer goes on at the latest without a neighbour that it waits for."""
        return self._due[peer]

    def _foretell(self, now: float, seconds: float, kind: Kind, round: int) -> list[Action]:
        milliseconds = self._outlook.word(now, seconds)
        if milliseconds is None:
            return []
        return [Send(peer, Message(kind, round, milliseconds)) for peer in sorted(self._members.there)]

    def _foretold(self, now: float, sender: int, message: Message, *, put_off: bool = True) -> list[Action]:
        """LATER, WAITS: wait for the sender accordingly, and tell those who wait for this peer."""
        edge = self._edges[sender]
        edge.foretold = message.round, now + message.at / 1000, message.kind is Kind.WAITS
        if sender not in self._due or not put_off:
            return []
        # The timer that is set rings before that, and sets the next: a word that is said again must make no timer more.
        self._due[sender] = max(self._due[sender], self._pace.due(edge, self.round, now, self._trained_at))
        return self._foretell_wait(now)

    # -- rounds -------------------------------------------------------------------------------------------------

    def _open(self, now: float) -> list[Action]:
        """The start is over."""
        return [*self._gathering.begin(), *self._begin(now, self._place(now, self.round))]

    def _go_on_if_alone(self, now: float) -> list[Action]:
        return self._begin(now, self._place(now, self.round)) if self._phase is Phase.ALONE else []

    def _begin(self, now: float, round: int) -> list[Action]:
        self.round = round
        if self.round >= self._settings.stop.rounds:
            return self._finish("rounds")
        if (waiting := self._wait_for_company(now)) is not None:
            return waiting
        self._phase, self._begun_at = Phase.TRAINING, now
        skips: list[Action] = []
        for peer, edge in self._edges.items():
            if edge.mail and edge.mail.round < self.round:
                skips.append(Send(peer, Message(Kind.SKIP, edge.mail.round, self.round)))
                edge.mail = None
        return [*skips, *self._foretell_training(now, self._pace.work_s), Train(self.round, self._params)]

    def _mixed(
        self, now: float, mixture: Mixture, memory: Memory, late: tuple[tuple[int, int], ...], *, alone: bool
    ) -> list[Action]:
        """The round's averaging is done; `_params` is its model."""
        self._alone = alone
        self._has_heard |= not alone
        trusted = {peer: far for peer, far in mixture.distance.items() if peer not in mixture.refused}
        self._largest_distance = self._how_far(trusted)
        return [
            Mixed(
                self.round,
                self._params,
                mixture.weights,
                dict(sorted(self._missing.items())),
                mixture.distance,
                now - self._trained_at,
                {**self._rule.memory(), **memory},
                self._rule.distance,
                mixture.refused,
                late,
                self._alone,
            )
        ]

    def _how_far(self, distance: Mapping[int, float]) -> float | None:
        """What the stop rule takes for disagreement: that of all peers if it is watched, else the neighbours'."""
        return self._rule.distance if self._watches_all else max(distance.values(), default=None)

    def _place(self, now: float, own: int) -> int:
        """Where to go on: in round `own`, or further where the neighbours have gone without this peer."""
        last = self._settings.stop.rounds - 1
        claims = {
            peer: self._members.rounds[peer] for peer in sorted(self._members.there & self._members.rounds.keys())
        }
        words = self._pace.words(self._edges, claims, own, now, self._weights_at) if own <= last else []
        joining = self._phase is Phase.JOINING
        return place(own, words, neighbours=len(self._neighbours), last=last, joining=joining)

    def _see(self, now: float, peer: int, round: int) -> None:
        self._members.rounds[peer] = max(round, self._members.rounds.get(peer, 0))
        self._stands(now, peer)

    def _stands(self, now: float, peer: int) -> None:
        """Remember when a neighbour was not ahead: later words of it are measured from here."""
        if (seen := self._members.rounds[peer]) <= self.round:
            self._edges[peer].stood, self._edges[peer].linked_since = (seen, now), True

    def _next_deadline(self) -> list[Action]:
        return [SetTimer(Timer.DEADLINE, self.round, min(self._due.values()))] if self._due else []

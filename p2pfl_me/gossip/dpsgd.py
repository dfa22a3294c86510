"""Synchronous decentralised SGD (Lian et al., NeurIPS 2017) as a pure state machine.

Each round: train, exchange models with this round's neighbours, average with Metropolis-Hastings weights. The
exchange on an edge is atomic: the higher id offers its model; the lower id, once it has trained and holds the
offer, answers with its own. The answer is the receipt: the lower id mixes the edge if and only if it answered,
the higher id if and only if it got the answer. Whoever gives up says so (SKIP, WITHDRAW), and both ends return the
edge's weight to their diagonals; so W stays doubly stochastic.

Nobody waits past its deadline, whatever the other end says. An offer without a reply (the link went down, the other
is mute) stays open beyond its round: the higher id asks again (WITHDRAW) once it can, offers nothing new until it
knows, and takes an answer that comes late as a correction of the model that it has by then. So both ends end up with
the same exchanges, unless one of them crashes, or the peer that offered is done before it could ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto

from p2pfl_me.aggregation.rules.mean import Mean
from p2pfl_me.gossip.catch_up import place
from p2pfl_me.gossip.edge import SILENCES, Edge, Offered
from p2pfl_me.gossip.exchange import Content, Exchange, Whole, carrying
from p2pfl_me.gossip.gathering import Gathering
from p2pfl_me.gossip.membership import Membership
from p2pfl_me.gossip.pace import Pace
from p2pfl_me.gossip.protocol import Action, Finish, Mixed, Refuse, Send, SetTimer, Timer, Train
from p2pfl_me.gossip.rules import Plain, Rule
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import Progress, advance, stop_reason
from p2pfl_me.message import Kind, Message, Vector

TICK_S = 1e-3
"""Timers of a real clock may ring so much early."""


class _Phase(Enum):
    JOINING = auto()
    TRAINING = auto()
    EXCHANGING = auto()
    EVALUATING = auto()
    ALONE = auto()
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
        self._members = Membership(neighbours)
        self._gathering = Gathering(me, self._members, settings, resumed=completed > 0)
        self._edges = {peer: Edge() for peer in sorted(neighbours)}
        self._rule = rule or Plain()
        self._exchange = exchange or Whole(me, Mean(), settings.stop.rounds)
        self._watches_all = watches_all
        self._params = params
        """The model that the last round ended with."""
        self._trained = self._out = params
        """What local training made of it, and what of that is exchanged."""
        self._settings = settings
        self._phase = _Phase.JOINING
        self._pace = Pace(settings)
        self._due: dict[int, float] = {}
        """Until when to wait for whom."""
        self._withdrawing: set[int] = set()
        self._sent: dict[int, Content] = {}
        self._models: dict[int, Content] = {}
        self._missing: dict[int, str] = {}
        self._corrections: list[tuple[int, int, Vector | None]] = []
        """What answers of earlier rounds still owe this model."""
        self._begun_at = self._trained_at = self._mixed_at = 0.0
        self._largest_distance: float | None = None
        self._alone = False

    @property
    def waiting_for(self) -> frozenset[int]:
        """The neighbours this peer now waits for: their greeting before the first round, their model later."""
        match self._phase:
            case _Phase.JOINING:
                return self._gathering.waiting_for
            case _Phase.ALONE:
                return self._neighbours - self._members.gone
            case _Phase.TRAINING | _Phase.EXCHANGING | _Phase.EVALUATING | _Phase.DONE:
                return frozenset(self._due)

    # -- inputs ---------------------------------------------------------------------------------------------

    def start(self, now: float) -> list[Action]:
        """Wait for the others, but no longer than the contract's patience."""
        for edge in self._edges.values():
            edge.stood = self.round, now
        return [*self._gathering.start(now), *self._begin_if_joined(now)]

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        """Local training of this round has ended with `params`."""
        if self._phase is not _Phase.TRAINING:
            return []
        self._phase = _Phase.EXCHANGING
        self._trained, self._trained_at = params, now
        self._pace.trained(self.round, now)
        self._out = self._rule.outgoing(self.round, self._params, params)
        self._sent, self._models, self._missing, self._due = {}, {}, {}, {}
        self._withdrawing.clear()
        actions: list[Action] = []
        row = self._weights_at(self.round)
        for peer in sorted(row):
            edge = self._edges[peer]
            if self.me > peer and edge.offered:
                absent = self._members.why_absent(peer)
                self._missing[peer] = absent or f"has not settled round {edge.offered.round + 1}"
                actions.append(Send(peer, edge.offered.question(self.round)))
                if self._is_last:
                    self._withdrawing.add(peer)
                    self._due[peer] = now + self._pace.settling_s
            elif reason := self._why_absent(peer):
                self._missing[peer] = reason
            elif self.me < peer:
                if edge.mail and edge.mail.round == self.round:
                    self._due[peer] = now
                    actions += self._answer(now, peer, edge.mail)
                elif edge.silences >= SILENCES:
                    self._missing[peer] = "silent"
                else:
                    self._due[peer] = now + self._pace.wait_s(edge)
            else:
                self._due[peer] = now + self._pace.wait_s(edge)
                self._sent[peer] = content = self._exchange.pack(peer, self.round, self._out)
                edge.offered = Offered(self.round, row[peer], self._out, content)
                actions.append(Send(peer, carrying(Kind.OFFER, self.round, self.round, content)))
        return [*actions, *self._next_deadline(), *self._mix_if_settled(now)]

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        """The host has logged and stored the round that `Mixed` announced."""
        if self._phase is not _Phase.EVALUATING:
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
        if message.kind is not Kind.PRESENT and max(message.round, message.at) > self._settings.stop.rounds:
            return [Refuse(sender, f"{message.kind.value} speaks of a round beyond the contract's last")]
        if self._phase is _Phase.DONE:
            return self._after_the_end(sender, message)
        self._edges[sender].silences = 0
        if self._phase is _Phase.JOINING:
            told = self._gathering.hear(now, sender, message)
            return [*told, *self._take(now, sender, message), *self._begin_if_joined(now)]
        return self._take(now, sender, message)

    def _take(self, now: float, sender: int, message: Message) -> list[Action]:
        edge = self._edges[sender]
        match message.kind:
            case Kind.HELLO:
                # A greeting opens a fresh link: the sender may have come back from an older checkpoint.
                self._members.greeted(sender, message.at)
                self._stands(now, sender)
                gone_on = self._drop(now, sender, f"went on to round {message.at}") if message.at > self.round else []
                return [*gone_on, *self._go_on_if_alone(now)]
            case Kind.LEAVE:
                self._members.left(sender)
                if edge.offered and self._is_last and sender in self._due:
                    return [Send(sender, edge.offered.question(self.round))]  # it may have answered on a lost link
                return self._drop(now, sender, "left")
            case Kind.OFFER:
                return self._on_offer(now, sender, message)
            case Kind.ANSWER:
                return self._on_answer(now, sender, message)
            case Kind.SKIP:
                self._see(now, sender, message.at)
                if edge.offered is None or edge.offered.round != message.round or self.me < sender:
                    return []
                edge.offered = None
                return self._drop(now, sender, f"skipped by the neighbour, now in round {message.at}")
            case Kind.WITHDRAW:
                return self._on_withdraw(now, sender, message.round)
            case Kind.PRESENT:  # it waits, and the run is under way
                return [] if self._phase is _Phase.JOINING else [Send(sender, Message(Kind.BEGUN, 0))]
            case Kind.PUSH | Kind.BEGUN:
                return []

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        """A timer that was set has come; a stale one is ignored."""
        if timer is not Timer.DEADLINE:
            return self._on_patience(now, timer, round)
        if self._phase is not _Phase.EXCHANGING or round != self.round:
            return []
        actions: list[Action] = []
        for peer in sorted(peer for peer, due in self._due.items() if due <= now + TICK_S):
            edge = self._edges[peer]
            if self.me > peer and peer not in self._withdrawing and edge.offered:
                # Only the lower id may end the exchange: it may have answered already.
                self._withdrawing.add(peer)
                self._due[peer] = now + self._pace.settling_s
                actions.append(Send(peer, edge.offered.question(self.round)))
                continue
            edge.silences += 1
            del self._due[peer]
            if self.me < peer:
                self._missing[peer] = "deadline"
                actions.append(Send(peer, Message(Kind.SKIP, self.round, self.round)))
            else:
                self._missing[peer] = self._members.why_absent(peer) or "does not say whether it answered"
        return [*actions, *self._next_deadline(), *self._mix_if_settled(now)]

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        """The link to `peer` has come up or gone down."""
        if peer not in self._neighbours:
            return []
        edge = self._edges[peer]
        if self._phase is _Phase.DONE:
            return [Send(peer, Message(Kind.LEAVE, self.round, self._completed))] if reachable else []
        if reachable:
            self._members.came_up(peer)
            # On an edge that is settled for this round, the next exchange is the next round's.
            at = self.round + 1 if self._is_settled(peer) else self.round
            hello = Send(peer, Message(Kind.HELLO, self.round, at))
            if self._phase is _Phase.JOINING:
                return [hello, *self._gathering.linked(now)]
            begun = Send(peer, Message(Kind.BEGUN, 0))
            asked = [Send(peer, edge.offered.question(self.round))] if edge.offered else []
            return [hello, begun, *asked]
        self._members.went_down(peer)
        edge.linked_since = False
        edge.mail = None  # the other end has dropped what was under way on the lost link; so must this one
        if edge.offered and self._is_last:
            return []  # the last round: only now can the link return and tell whether the offer was answered
        return self._drop(now, peer, "unreachable")

    def on_stop(self, now: float) -> list[Action]:
        """The user stops this peer."""
        return [] if self._phase is _Phase.DONE else self._finish("stopped")

    # -- the exchange on one edge -----------------------------------------------------------------------------

    def _on_offer(self, now: float, sender: int, message: Message) -> list[Action]:
        if self.me > sender or message.content is None:
            return []
        edge = self._edges[sender]
        self._see(now, sender, message.round)
        if message.round < self.round or (message.round == self.round and self._is_settled(sender)):
            self._pace.arrived(edge, message.round, now)
            return [Send(sender, self._edges[sender].reply(message.round, self.round))]
        if message.round == self.round and sender in self._due:
            return [*self._answer(now, sender, message), *self._mix_if_settled(now)]
        if edge.mail is None or edge.mail.round < message.round:
            edge.mail = message
        if message.round > self.round:
            return self._drop(now, sender, f"went on to round {message.round}")
        return []

    def _on_answer(self, now: float, sender: int, message: Message) -> list[Action]:
        edge = self._edges[sender]
        offered = edge.offered
        if self.me < sender or offered is None or message.round != offered.round or message.content is None:
            return []
        self._see(now, sender, message.round)
        if fault := self._exchange.fault(sender, message.round, message.content):
            return [Refuse(sender, fault)]
        edge.offered = None
        self._pace.arrived(edge, offered.round, now)
        if offered.round != self.round or sender not in self._due:
            found = self._exchange.correction(
                sender, offered.round, offered.weight, offered.own, offered.content, message.content
            )
            self._corrections.append((sender, offered.round, found))
        else:
            self._models[sender] = message.content
        self._due.pop(sender, None)
        return self._mix_if_settled(now)

    def _on_withdraw(self, now: float, sender: int, round: int) -> list[Action]:
        if self.me > sender:
            return []
        edge = self._edges[sender]
        self._see(now, sender, round)
        if edge.answered and edge.answered[0] == round:
            return [Send(sender, edge.reply(round, self.round))]
        edge.withdrawn = max(edge.withdrawn, round)
        if edge.mail and edge.mail.round <= round:
            edge.mail = None
        skip = Send(sender, Message(Kind.SKIP, round, self.round))
        if round != self.round:
            return [skip]
        return [skip, *self._drop(now, sender, "withdrawn by the neighbour")]

    def _answer(self, now: float, peer: int, offer: Message) -> list[Action]:
        """Answer an offer of this round that this peer has waited for, and so settle the edge."""
        assert offer.content is not None
        edge = self._edges[peer]
        edge.mail = None
        if fault := self._exchange.fault(peer, self.round, offer.content):
            return [Refuse(peer, fault)]
        del self._due[peer]
        self._pace.arrived(edge, self.round, now)
        self._models[peer] = offer.content
        self._sent[peer] = content = self._exchange.pack(peer, self.round, self._out)
        edge.answered = (self.round, content)
        return [Send(peer, carrying(Kind.ANSWER, self.round, self.round, content))]

    def _after_the_end(self, sender: int, message: Message) -> list[Action]:
        """Who is done still says how the last exchanges ended."""
        if self.me < sender and message.kind in {Kind.OFFER, Kind.WITHDRAW}:
            return [Send(sender, self._edges[sender].reply(message.round, self.round))]
        return []

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
        return self._phase in {_Phase.EXCHANGING, _Phase.EVALUATING} and peer not in self._due

    def _why_absent(self, peer: int) -> str | None:
        if reason := self._members.why_absent(peer):
            return reason
        if self._edges[peer].withdrawn == self.round:
            return "withdrawn by the neighbour"
        if (seen := self._members.rounds.get(peer, 0)) > self.round:
            return f"went on to round {seen}"
        return None

    # -- rounds -------------------------------------------------------------------------------------------------

    def _begin_if_joined(self, now: float) -> list[Action]:
        return self._open(now) if self._phase is _Phase.JOINING and self._gathering.enough else []

    def _open(self, now: float) -> list[Action]:
        """The start is over."""
        return [*self._gathering.begin(), *self._begin(now, self._place(now, self.round))]

    def _on_patience(self, now: float, timer: Timer, round: int) -> list[Action]:
        """A timer of the start, or of one who is alone."""
        if timer is Timer.ALONE:
            return self._finish("alone") if self._phase is _Phase.ALONE and round == self.round else []
        if self._phase is not _Phase.JOINING:
            return []
        match timer:
            case Timer.JOIN:
                return self._open(now)
            case Timer.GREETING:
                self._gathering.patient(now)
                return self._begin_if_joined(now)
            case Timer.TELL | Timer.DEADLINE:
                return self._gathering.tell(now)

    def _go_on_if_alone(self, now: float) -> list[Action]:
        return self._begin(now, self._place(now, self.round)) if self._phase is _Phase.ALONE else []

    def _begin(self, now: float, round: int) -> list[Action]:
        self.round = round
        if self.round >= self._settings.stop.rounds:
            return self._finish("rounds")
        if self._settings.wait_alone and self._neighbours and not self._members.there:
            if self._neighbours <= self._members.gone:
                return self._finish("alone")
            self._phase = _Phase.ALONE
            return [SetTimer(Timer.ALONE, self.round, now + self._settings.join_timeout_s)]
        self._phase, self._begun_at = _Phase.TRAINING, now
        skips: list[Action] = []
        for peer, edge in self._edges.items():
            if edge.mail and edge.mail.round < self.round:
                skips.append(Send(peer, Message(Kind.SKIP, edge.mail.round, self.round)))
                edge.mail = None
        return [*skips, Train(self.round, self._params)]

    def _mix_if_settled(self, now: float) -> list[Action]:
        if self._phase is not _Phase.EXCHANGING or self._due:
            return []
        self._phase, self._mixed_at = _Phase.EVALUATING, now
        row = self._weights_at(self.round)
        mixture = self._exchange.average(self._out, row, self.round, self._sent, self._models)
        self._params = self._rule.incoming(self._params, self._trained, mixture.params)
        for _, round, correction in self._corrections:
            if correction is not None:
                self._params = self._params + self._rule.late(round, correction)
        late = tuple((peer, round) for peer, round, _ in self._corrections)
        # Who stops by patience leaves others behind, who do nothing wrong.
        parted = self._settings.stop.patience is not None and set(self._missing.values()) == {"left"}
        self._alone = bool(row) and not self._models and not parted
        self._corrections.clear()
        trusted = {peer: far for peer, far in mixture.distance.items() if peer not in mixture.refused}
        self._largest_distance = self._how_far(trusted)
        self._sent, self._models = {}, {}
        missing = dict(sorted(self._missing.items()))
        self._sent, self._models = {}, {}
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
        joining = self._phase is _Phase.JOINING
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

    def _finish(self, reason: str) -> list[Action]:
        self._phase = _Phase.DONE
        leave: list[Action] = [
            Send(peer, Message(Kind.LEAVE, self.round, self._completed)) for peer in sorted(self._members.there)
        ]
        open = [(peer, edge.offered.round) for peer, edge in self._edges.items() if edge.offered]
        open += [(peer, round) for peer, round, _ in self._corrections]  # came after the last mixing
        trained, alone = self.progress.trained, self.progress.alone
        skipped = self._completed - trained
        return [*leave, Finish(reason, trained, tuple(sorted(open)), skipped, alone)]

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

import math
from collections.abc import Callable, Mapping

from p2pfl_me.aggregation.rules.mean import Mean
from p2pfl_me.gossip.edge import Offered
from p2pfl_me.gossip.exchange import Content, Exchange, Whole, carrying
from p2pfl_me.gossip.life import Phase
from p2pfl_me.gossip.misses import NEEDS_MORE, NOT_AWAITED, is_awaited, missed
from p2pfl_me.gossip.protocol import Action, Refuse, Send
from p2pfl_me.gossip.rules import Rule
from p2pfl_me.gossip.settings import TICK_S, Settings
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.gossip.synchronous import Synchronous
from p2pfl_me.message import Kind, Message, Vector


class DPSGD(Synchronous):
    """One peer's core; parameters as for `Synchronous`, and `exchange`: how what is exchanged travels and what becomes
    of it; whole models and their weighted mean if None."""

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
        super().__init__(
            me,
            weights_at,
            neighbours,
            params,
            settings,
            rule=rule,
            watches_all=watches_all,
            completed=completed,
            progress=progress,
        )
        self._carried = exchange or Whole(me, Mean(), settings.stop.rounds)
        self._withdrawing: set[int] = set()
        self._sent: dict[int, Content] = {}
        self._models: dict[int, Content] = {}
        self._corrections: list[tuple[int, int, Vector | None]] = []
        """What answers of earlier rounds still owe this model."""

    # -- the round ----------------------------------------------------------------------------------------------

    def _exchange(self, now: float) -> list[Action]:
        self._sent, self._models = {}, {}
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
            elif self.me < peer and edge.mail and edge.mail.round == self.round:
                self._due[peer] = now
                actions += self._answer(now, peer, edge.mail)
            elif self._pace.too_late(edge, self.round, now):
                self._missing[peer] = NEEDS_MORE
            elif self.me < peer:
                if is_awaited(edge.misses):
                    self._due[peer] = self._pace.due(edge, self.round, now, now)
                else:
                    self._missing[peer] = NOT_AWAITED
            else:
                if is_awaited(edge.misses) or self._is_last:
                    self._due[peer] = self._pace.due(edge, self.round, now, now)
                else:
                    self._missing[peer] = NOT_AWAITED
                actions.append(self._offer(peer))
        return [*actions, *self._next_deadline(), *self._mix_if_settled(now)]

    def _offer(self, peer: int) -> Send:
        self._sent[peer] = content = self._carried.pack(peer, self.round, self._out)
        weight = self._weights_at(self.round)[peer]
        self._edges[peer].offered = Offered(self.round, weight, self._out, content)
        return Send(peer, carrying(Kind.OFFER, self.round, self.round, content))

    def _take_in(self, now: float, peer: int) -> list[Action]:
        """Whoever comes while this round goes on for another training anyway, or nobody knows for how long, is waited
        for. Told to begin with the next round it would be ahead, and those who come after it further still."""
        edge = self._edges[peer]
        is_open = self._is_settled(peer) and self._phase is not Phase.EVALUATING
        is_used = edge.offered or edge.withdrawn == self.round or (edge.answered and edge.answered[0] == self.round)
        if not is_open or is_used or self._missing.get(peer) != "unreachable" or not is_awaited(edge.misses):
            return []
        is_training, work_s = self._phase is Phase.TRAINING, self._pace.work_s
        due = math.inf if is_training else self._pace.due(edge, self.round, now, self._trained_at)
        trained_at = self._begun_at + work_s if is_training else self._trained_at
        edges = (self._edges[each] for each in self._due)
        ends = max((self._pace.known_at(each, self.round, trained_at) for each in edges), default=trained_at)
        if work_s and min(ends, due) < now + work_s:
            return []
        del self._missing[peer]
        self._due[peer] = due
        return [*([self._offer(peer)] if self.me > peer else []), *self._next_deadline()]

    def _take(self, now: float, sender: int, message: Message) -> list[Action]:
        edge = self._edges[sender]
        match message.kind:
            case Kind.HELLO:
                return self._greeted(now, sender, message.at)
            case Kind.LEAVE:
                self._members.left(sender)
                if edge.offered and self._asks(sender) and sender in self._due:
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
            case Kind.PRESENT:
                return self._presence(sender)
            case Kind.LATER | Kind.WAITS:
                return self._foretold(now, sender, message, put_off=sender not in self._withdrawing)
            case Kind.PUSH | Kind.BEGUN | Kind.WANT | Kind.FINAL | Kind.REST | Kind.WORK:
                return []
            case Kind.KEY | Kind.CIRCLE | Kind.MASKED | Kind.ROSTER | Kind.PLEDGE:
                return []

    def _given_up(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for peer in sorted(peer for peer, due in self._due.items() if due <= now + TICK_S):
            edge = self._edges[peer]
            if peer not in self._withdrawing:
                edge.misses = missed(edge.misses)
            if self.me > peer and peer not in self._withdrawing and edge.offered:
                # Only the lower id may end the exchange: it may have answered already.
                self._withdrawing.add(peer)
                self._due[peer] = now + self._pace.settling_s
                actions.append(Send(peer, edge.offered.question(self.round)))
                continue
            del self._due[peer]
            if self.me < peer:
                self._missing[peer] = "deadline"
                actions.append(Send(peer, Message(Kind.SKIP, self.round, self.round)))
            else:
                self._missing[peer] = self._members.why_absent(peer) or "does not say whether it answered"
        return actions

    def _over_at(self, peer: int) -> float:
        """Whoever has offered asks what became of it before it goes on."""
        is_asked = self.me > peer and peer not in self._withdrawing
        return self._due[peer] + (self._pace.settling_s if is_asked else 0.0)

    def _linked(self, peer: int) -> list[Action]:
        offered = self._edges[peer].offered
        return [Send(peer, offered.question(self.round))] if offered else []

    def _cut_off(self, now: float, peer: int) -> list[Action]:
        edge = self._edges[peer]
        edge.mail = None  # the other end has dropped what was under way on the lost link; so must this one
        if self._asks(peer):
            return []  # only now can the link return and tell whether the offer was answered
        return self._drop(now, peer, "unreachable")

    def _asks(self, peer: int) -> bool:
        return self._is_last and self._edges[peer].offered is not None

    def _mix_if_settled(self, now: float) -> list[Action]:
        if self._phase is not Phase.EXCHANGING or self._due:
            return []
        self._phase, self._mixed_at = Phase.EVALUATING, now
        row = self._weights_at(self.round)
        mixture = self._carried.average(self._out, row, self.round, self._sent, self._models)
        self._params = self._rule.incoming(self._params, self._trained, mixture.params)
        for _, round, correction in self._corrections:
            if correction is not None:
                self._params = self._params + self._rule.late(round, correction)
        late = tuple((peer, round) for peer, round, _ in self._corrections)
        self._corrections.clear()
        # Who stops by patience leaves others behind, who do nothing wrong.
        parted = self._settings.stop.patience is not None and set(self._missing.values()) == {"left"}
        alone = bool(row) and not self._models and not parted
        self._sent, self._models = {}, {}
        return self._mixed(now, mixture, self._carried.memory(), late, alone=alone)

    def _unsettled(self) -> list[tuple[int, int]]:
        open = [(peer, edge.offered.round) for peer, edge in self._edges.items() if edge.offered]
        return open + [(peer, round) for peer, round, _ in self._corrections]  # came after the last mixing

    # -- the exchange on one edge -----------------------------------------------------------------------------

    def _on_offer(self, now: float, sender: int, message: Message) -> list[Action]:
        if self.me > sender or message.content is None:
            return []
        edge = self._edges[sender]
        self._see(now, sender, message.round)
        if message.round < self.round or (message.round == self.round and self._is_settled(sender)):
            self._pace.arrived(edge, message.round, now, in_time=False)
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
        if fault := self._carried.fault(sender, message.round, message.content):
            return [Refuse(sender, fault)]
        edge.offered = None
        is_awaited_now = offered.round == self.round and sender in self._due
        if not offered.asked:
            self._pace.arrived(edge, offered.round, now, in_time=is_awaited_now)
        if not is_awaited_now:
            found = self._carried.correction(
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
        if fault := self._carried.fault(peer, self.round, offer.content):
            return [Refuse(peer, fault)]
        del self._due[peer]
        self._pace.arrived(edge, self.round, now, in_time=True)
        self._models[peer] = offer.content
        self._sent[peer] = content = self._carried.pack(peer, self.round, self._out)
        edge.answered = (self.round, content)
        return [Send(peer, carrying(Kind.ANSWER, self.round, self.round, content))]

    def _after_the_end(self, sender: int, message: Message) -> list[Action]:
        """Who is done still says how the last exchanges ended."""
        if self.me < sender and message.kind in {Kind.OFFER, Kind.WITHDRAW}:
            return [Send(sender, self._edges[sender].reply(message.round, self.round))]
        return []

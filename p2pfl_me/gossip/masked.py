"""D-PSGD's round where a receiver learns the weighted sum of its neighbours' models and no single one.

Every peer is a receiver, and a giver to each of its neighbours. A round: train, send each neighbour the model under
masks (MASKED), wait for theirs, name those whose models have come (ROSTER), wait until each has pledged itself to that
(PLEDGE), and mix the sum. Pledges are given as long as a peer runs. What protects a model from a receiver that lies is
`privacy.masks`'s; here is who waits for whom, and how long.

An edge is no longer atomic: a receiver's sum counts as a whole or not at all. Whoever leaves a neighbour out of its
roster says so (SKIP), and is left out there, too, if that is not too late; so W stays symmetric but for links that
break between the two, and receivers whose sum is lost, which keep their own model for that round. The log says which.

One neighbour too few, and there is no sum at all. So whoever is needed for it is waited for as long as the contract
allows, and one that left this peer out is kept where the rest would be too few. Who has no sum says that rather than to
leave others out, and goes on only once they have said whether theirs hold its model. Where they don't, and too few are
linked, it waits instead of training alone. Models are given once a round, for those who are there then: whoever comes
after that takes part from the next round on, and begins where enough neighbours for a sum still come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping

import numpy as np

from p2pfl_me.aggregation import Mixture
from p2pfl_me.errors import WireError
from p2pfl_me.gossip.acquaintance import Acquaintance, whole
from p2pfl_me.gossip.catch_up import place_for_a_sum
from p2pfl_me.gossip.doubts import Doubts
from p2pfl_me.gossip.life import Phase
from p2pfl_me.gossip.misses import NEEDS_MORE, NOT_AWAITED, is_awaited, missed
from p2pfl_me.gossip.protocol import NOTHING, Action, Refuse, Send, SetTimer, Timer
from p2pfl_me.gossip.roster import REMEMBERED, Stage, SumToBe
from p2pfl_me.gossip.rules import Rule
from p2pfl_me.gossip.settings import TICK_S, Settings
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.gossip.sums import Sums
from p2pfl_me.gossip.synchronous import Synchronous
from p2pfl_me.message import Kind, Message, Packed, Vector


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
        self._known = Acquaintance(sums)
        self._stage = Stage.MODELS
        self._sum = SumToBe(sums)
        self._owed: set[int] = set()
        """Neighbours whose roster of this round has not come yet."""
        self._sumless: deque[int] = deque(maxlen=REMEMBERED)
        """The last rounds in which this peer had no sum."""
        self._doubts = Doubts()

    # -- the start: keys, then circles ----------------------------------------------------------------------------

    def _begin_if_joined(self, now: float) -> list[Action]:
        if self._phase is not Phase.JOINING or not (self._is_acquainted or self._gathering.patience_over):
            return []
        return super()._begin_if_joined(now)

    def _on_patience(self, now: float, timer: Timer, round: int) -> list[Action]:
        """Keys and circles can be lost: who waits for one says its key again, which is answered by a circle."""
        actions = super()._on_patience(now, timer, round)
        over = self._phase is not Phase.JOINING or self._is_acquainted
        if timer is not Timer.GREETING or over or now + TICK_S < self._known.asks_at:
            return actions  # one chain of timers is enough, however many links came up
        self._known.asks_at = again_at = now + self._settings.deadline_min_s
        asked = (self._known.key(peer, self.round) for peer in sorted(self._members.there))
        return [*actions, *asked, SetTimer(Timer.GREETING, 0, again_at)]

    @property
    def _is_acquainted(self) -> bool:
        return self._known.by_all(self._members.there, all_there=self._gathering.expects_all)

    def _linked(self, peer: int) -> list[Action]:
        return self._known.met(peer, self.round)

    def _take_in(self, now: float, peer: int) -> list[Action]:
        if self._phase is Phase.EXCHANGING and self._missing.get(peer) == "unreachable":
            self._missing[peer] = "came when models had been given to the others"
        return []

    def _place(self, now: float, own: int) -> int:
        at = super()._place(now, own)
        if self._phase is not Phase.JOINING:
            return at
        claims = [self._members.rounds[peer] for peer in self._members.there & self._members.rounds.keys()]
        return place_for_a_sum(at, claims, least=self._sums.least, last=self._settings.stop.rounds - 1)

    # -- inputs -------------------------------------------------------------------------------------------------

    def _exchange(self, now: float) -> list[Action]:
        self._stage, self._sum = Stage.MODELS, SumToBe(self._sums)
        self._owed, self._of_use = set(), False
        actions: list[Action] = []
        row = self._weights_at(self.round)
        for peer in sorted(row):
            edge = self._edges[peer]
            reason, mail = self._why_absent(peer), edge.mail
            if reason and not (mail and mail.round == self.round and peer in self._members.there):
                self._missing[peer] = reason
                continue
            if reason:  # it has gone on without this peer's model, and its own may be needed
                self._sum.unrequited[peer] = reason
            else:
                actions += self._give(peer, row[peer])
            if mail and mail.round == self.round:
                self._due[peer] = now
                actions += self._accept(now, peer, mail)
            elif self._pace.too_late(edge, self.round, now):
                self._missing[peer] = NEEDS_MORE
            elif is_awaited(edge.misses):
                self._due[peer] = self._pace.due(edge, self.round, now, now)
            else:
                self._missing[peer] = NOT_AWAITED
        for peer in [peer for peer, why in self._missing.items() if why == NEEDS_MORE and self._is_short(less=0)]:
            del self._missing[peer]
            self._due[peer] = self._longest_due
        self._sums.all_given()
        return [*actions, *self._next_deadline(), *self._mix_if_settled(now)]

    def _give(self, peer: int, weight: float) -> list[Action]:
        content = self._sums.give(peer, self.round, self._out, weight, self._known.circle_of(peer))
        if content is None:
            return [self._known.key(peer, self.round), self._word(Kind.WITHDRAW, peer, self.round)]
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
                return [*self._without(now, sender, "left"), *self._go_on_if_alone(now)]
            case Kind.PRESENT:
                return self._presence(sender)
            case Kind.KEY:
                return self._known.heard_key(sender, whole(content), self.round, self._members.there)
            case Kind.CIRCLE:
                return self._known.heard_circle(sender, whole(content))
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
                return self._foretold(now, sender, message, put_off=self._stage is Stage.MODELS)
            case Kind.OFFER | Kind.ANSWER | Kind.PUSH | Kind.BEGUN | Kind.WANT | Kind.FINAL | Kind.REST | Kind.WORK:
                return []

    def _on_masked(self, now: float, sender: int, message: Message) -> list[Action]:
        self._see(now, sender, message.round)
        edge = self._edges[sender]
        if message.round == self.round and self._is_open and sender in self._due:
            return [*self._accept(now, sender, message), *self._mix_if_settled(now)]
        over = message.round == self.round and self._phase in {Phase.EXCHANGING, Phase.EVALUATING}
        if message.round < self.round or over:
            if over and (sender in self._sum.models or sender in self._sum.roster):
                return []  # said twice
            self._pace.arrived(edge, message.round, now, in_time=False)
            sumless = message.round in self._sumless
            return [self._no_sum(sender, message.round) if sumless else self._word(Kind.SKIP, sender, message.round)]
        if edge.mail is None or edge.mail.round < message.round:
            edge.mail = message
        if message.round > self.round and self._phase is Phase.EXCHANGING:
            self._settle_debt(sender)
            if self._is_open:
                return self._drop(now, sender, f"went on to round {message.round}")
            ahead = [peer for peer, each in self._edges.items() if each.mail and each.mail.round > self.round]
            if self._stage is Stage.PLEDGES and self._are_enough(ahead):  # to wait on would cost the next sum, too
                soon = now + self._pace.settling_s
                self._due = {peer: min(due, soon) for peer, due in self._due.items()}
            return [*self._next_deadline(), *self._mix_if_settled(now)]
        self._of_use |= self._phase is Phase.ALONE  # the sender may have a sum
        return self._go_on_if_alone(now)

    def _accept(self, now: float, peer: int, message: Message) -> list[Action]:
        edge = self._edges[peer]
        edge.mail = None
        try:
            self._sum.models[peer] = self._sums.read_masked(whole(message.packed), self._out.size)
        except WireError as error:
            return [Refuse(peer, str(error))]
        del self._due[peer]
        self._pace.arrived(edge, self.round, now, in_time=True)
        return []

    def _on_roster(self, sender: int, message: Message) -> list[Action]:
        content = whole(message.packed)
        if message.round == self.round:
            self._settle_debt(sender)
        if self._sums.read_roster(content).keys() == {sender}:
            return []  # it has no sum in this round
        pledge = self._sums.pledge(sender, message.round, content)
        if pledge is None:
            return [self._word(Kind.WITHDRAW, sender, message.round)]
        if not pledge.size:
            return []  # said before, and once is enough
        self._of_use |= message.round == self.round
        return [Send(sender, Message(Kind.PLEDGE, message.round, min(self.round, message.round + 1), packed=pledge))]

    def _on_pledge(self, now: float, sender: int, message: Message) -> list[Action]:
        awaited = self._phase is Phase.EXCHANGING and self._stage is Stage.PLEDGES and sender in self._due
        if not awaited or message.round != self.round:
            return []
        lost, by = self._sum.take(sender, whole(message.packed), self._out.size)
        del self._due[sender]
        if lost:
            self._lose(lost, *by)
        self._doubts.kept(sender)
        return [*self._ask(now), *self._mix_if_settled(now)]

    def _given_up(self, now: float) -> list[Action]:
        for peer in sorted(peer for peer, due in self._due.items() if due <= now + TICK_S):
            if self._is_open and self._is_short(less=1) and self._longest_due > now + TICK_S:
                self._due[peer] = self._longest_due
                continue
            self._due.pop(peer, None)
            match self._stage:
                case Stage.MODELS:
                    self._edges[peer].misses = missed(self._edges[peer].misses)
                    self._missing[peer] = "deadline"
                case Stage.PLEDGES:
                    self._edges[peer].misses = missed(self._edges[peer].misses)
                    self._lose(f"no pledge of peer {peer}", peer)
                case Stage.LAST_WORDS:
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
        return self._phase is Phase.EXCHANGING and self._stage is Stage.MODELS

    @property
    def _longest_due(self) -> float:
        return self._trained_at + self._pace.longest_s

    def _is_short(self, less: int) -> bool:
        """Whether the models that are here or awaited, and `less` fewer, are too few for a sum."""
        return len(self._sum.models) + len(self._due) - less < self._sums.least

    def _are_enough(self, peers: Collection[int]) -> bool:
        return len(peers) >= self._sums.least

    def _left_out(self, now: float, peer: int, reason: str) -> list[Action]:
        """`peer` has a sum without this one's model: so has this one without its own, if that leaves enough for one."""
        self._owed.discard(peer)
        if self._is_open and peer in self._sum.models:
            self._sum.unrequited[peer] = reason
        elif self._is_open or self._stage is Stage.LAST_WORDS:
            return self._without(now, peer, reason)
        return []

    def _without(self, now: float, peer: int, reason: str) -> list[Action]:
        """`peer` takes no part in this round any more."""
        if self._phase is not Phase.EXCHANGING:
            return []
        self._owed.discard(peer)
        match self._stage:
            case Stage.MODELS:
                if self._sum.models.pop(peer, None) is not None:
                    self._missing[peer] = reason
            case Stage.PLEDGES:
                if self._sum.needs(peer):
                    self._lose(f"peer {peer} {reason}", peer)
            case Stage.LAST_WORDS:
                self._due.pop(peer, None)
                return self._mix_if_settled(now)
        return self._drop(now, peer, reason) if peer in self._due else self._mix_if_settled(now)

    def _drop(self, now: float, peer: int, reason: str) -> list[Action]:
        """Who has gone on still pledges itself: only its model is not to be waited for."""
        return super()._drop(now, peer, reason) if self._stage is Stage.MODELS else []

    def _settle_debt(self, peer: int) -> None:
        self._owed.discard(peer)
        if self._stage is Stage.LAST_WORDS:
            self._due.pop(peer, None)

    def _lose(self, why: str, *by: int) -> None:
        self._sum.lost = f"{self._sum.lost}, {why}" if self._sum.lost else f"the sum was lost: {why}"
        self._due = {}
        self._owed -= {*by}
        (self._doubts.broken(*by, self.round) if len(by) == 1 else self._doubts.spoilt(by, self.round))

    def _mix_if_settled(self, now: float) -> list[Action]:
        if self._phase is not Phase.EXCHANGING or self._due:
            return []
        if self._stage is Stage.MODELS:
            return self._name(now)
        if self._stage is not Stage.PLEDGES:
            return self._conclude(now)
        told: list[Action] = [self._no_sum(peer, self.round) for peer in self._sum.unasked]
        self._stage, self._due = Stage.LAST_WORDS, self._last_words(now)
        return [*told, *(self._next_deadline() if self._due else self._conclude(now))]

    def _last_words(self, now: float) -> dict[int, float]:
        """Who has yet to say whether its sum holds this peer's model, and until when that is worth waiting for."""
        until = self._longest_due if not self._sum.roster or self._sum.lost else now
        if self._is_last:
            until = now + self._settings.deadline_max_s
        return dict.fromkeys(self._owed & self._members.there, until) if until > now + TICK_S else {}

    def _name(self, now: float) -> list[Action]:
        """All models are here that will come: who is on the roster?"""
        self._stage = Stage.PLEDGES
        self._missing |= self._sum.name(self._known.lives, self._doubts.at(self.round))
        left_out = sorted((self._weights_at(self.round).keys() - self._sum.roster.keys()) & self._members.there)
        if not self._sum.roster:  # its own models still count where they are in a sum
            told: list[Action] = [self._no_sum(peer, self.round) for peer in left_out]
        else:
            told = [*(self._word(Kind.SKIP, peer, self.round) for peer in left_out), *self._ask(now)]
        stale = sorted(self._sum.models.keys() - self._sum.roster.keys())
        return [
            *told,
            *(self._known.circle(peer, self.round) for peer in stale),
            *self._mix_if_settled(now),
        ]

    def _ask(self, now: float) -> list[Action]:
        """Tell of the roster whose pledges are due now: those of all, or of one after the other."""
        asked = self._sum.asks()
        # Each round costs its training: a pledge that may still come is worth as long a wait as a model.
        self._due |= dict.fromkeys(asked, max(now + self._pace.settling_s, self._longest_due))
        told: list[Action] = [self._word(Kind.ROSTER, peer, self.round, content) for peer, content in asked.items()]
        return [*told, *self._next_deadline()] if told else []

    def _conclude(self, now: float) -> list[Action]:
        self._phase, self._mixed_at = Phase.EVALUATING, now
        row = self._weights_at(self.round)
        total = self._sum.total(self._out, self._doubts, self.round)
        if total is None:
            self._sumless.append(self.round)
            self._missing |= dict.fromkeys(self._sum.roster, self._sum.lost)
            mixture = Mixture(self._out, {}, {})
        else:
            weights = {peer: row[peer] for peer in self._sum.roster}
            mixture = Mixture(np.float32(1 - sum(weights.values())) * self._out + total, {}, weights)
        self._params = self._rule.incoming(self._params, self._trained, mixture.params)
        self._sum.forget()
        return self._mixed(now, mixture, NOTHING, (), alone=bool(row) and total is None)

    def _no_sum(self, to: int, round: int) -> Send:
        """As a receiver: I have no sum; yours may hold my model all the same."""
        return self._word(Kind.ROSTER, to, round, self._sums.say_roster({self.me: self._sums.public}))

    def _word(self, kind: Kind, to: int, round: int, content: Packed | None = None) -> Send:
        """SKIP: your model is not in my sum. WITHDRAW: mine is not to be had. ROSTER: pledge yourself."""
        return Send(to, Message(kind, round, self.round, packed=content))

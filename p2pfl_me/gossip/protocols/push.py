"""Push gossip learning: models walk at random and merge where they meet.

Ormandi, Hegedus, Jelasity (2013); Hegedus, Danner, Jelasity, JPDC 2021. Limited merge: Danner et al. 2023. Token
account: Danner and Jelasity, ICDCS 2018, randomised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import ClassVar, Literal

import numpy as np
from pydantic import model_validator

from p2pfl_me.aggregation import mix
from p2pfl_me.choice import Chance, Part, PositiveInt, chance_of
from p2pfl_me.gossip.kind import ProtocolKind, Seat
from p2pfl_me.gossip.protocol import Memory, Protocol, Refuse, Send
from p2pfl_me.gossip.waitfree import Merged, waitfree_core
from p2pfl_me.message import MAX_ROUND, Kind, Message, Vector


class Merge(Enum):
    """How two models of ages a and b become one."""

    AGE = "age"
    """(a x + b y) / (a + b)."""
    LIMITED = "limited"
    """As `age`, but where the ages differ by more than the limit the older model is taken whole."""


class Tokens(Part):
    """Token account: a peer saves up to `capacity` messages and begins to spend at `reserve`: C and A of the paper."""

    reserve: PositiveInt = 2
    capacity: PositiveInt = 4

    @model_validator(mode="after")
    def _ordered(self) -> Tokens:
        if self.reserve > self.capacity:
            raise ValueError(f"reserve ({self.reserve}) is above capacity ({self.capacity})")
        return self

    def proactive(self, balance: int) -> float:
        """Probability of sending at the end of a round."""
        return min(1.0, max(0.0, (balance - self.reserve + 1) / (self.capacity - self.reserve + 1)))

    def reactive(self, balance: int, chance: float) -> int:
        """Messages sent for a useful one that came: balance / A, rounded at random."""
        return int(balance / self.reserve + chance)


class PushProtocol(ProtocolKind):
    """Its options.

    `limit`: with `merge: limited`, models whose ages differ by more than this don't mix; the older one is kept.
    """

    kind: Literal["push"] = "push"
    merge: Literal["age", "limited"] = "age"
    limit: PositiveInt = 3
    tokens: Tokens | None = None
    uses_weights: ClassVar[bool] = False
    within_hull: ClassVar[bool] = True

    def core(self, seat: Seat) -> Protocol:
        push = Push(
            seat.peer,
            seat.row,
            chance_of(seat.contract.seed, seat.peer),
            merge=Merge(self.merge),
            limit=self.limit,
            tokens=self.tokens,
            memory=seat.start.memory,
        )
        return waitfree_core(seat, push)


class Push:
    """After each local training, merge what has come and push the result to a neighbour drawn at random.

    A model's age counts the trainings in it. The newest model of each sender waits until the round ends; messages
    that come twice count once. Averages drift by design: what is promised is that a model is always a weighted mean
    of trained ones.
    """

    waits: ClassVar[bool] = False

    def __init__(
        self,
        me: int,
        neighbours_at: Callable[[int], Mapping[int, float]],
        chance: Chance,
        *,
        merge: Merge,
        limit: int,
        tokens: Tokens | None,
        memory: Memory,
    ) -> None:
        self._me, self._neighbours_at, self._chance = me, neighbours_at, chance
        self._merge, self._limit, self._tokens = merge, limit, tokens
        counts = memory.get("counts")
        self._age, self._balance = (int(counts[0]), int(counts[1])) if counts is not None else (0, 0)
        self._inbox: dict[int, tuple[int, int, Vector]] = {}
        self._own = np.empty(0, np.float32)

    def trained(self, round: int, start: Vector, params: Vector, there: frozenset[int]) -> list[Send]:
        useful = sum(age > self._age for _, age, _ in self._inbox.values())
        self._own = params
        self._age = min(self._age + 1, MAX_ROUND)  # two who lie may have brought it there, and more nobody takes
        candidates = sorted(there & self._neighbours_at(round).keys())
        if not candidates:
            return []
        message = Message(Kind.PUSH, round, self._age, params)
        picks = [self._chance("whom", round, nth) for nth in range(self._copies(round, useful))]
        return [Send(candidates[int(pick * len(candidates))], message) for pick in picks]

    def _copies(self, round: int, useful: int) -> int:
        """How many messages this round's balance allows."""
        if self._tokens is None:
            return 1
        copies = 0
        for nth in range(useful):
            spent = min(self._balance, self._tokens.reactive(self._balance, self._chance("react", round, nth)))
            copies, self._balance = copies + spent, self._balance - spent
        if self._chance("act", round, 0) < self._tokens.proactive(self._balance):
            return copies + 1
        self._balance = min(self._tokens.capacity, self._balance + 1)
        return copies

    def due(self, round: int) -> Mapping[int, bool]:
        return {}

    def merge(self, round: int) -> Merged:
        """One after the other in the order of ids, as if they had come so."""
        shares, age = {self._me: 1.0}, self._age
        models: dict[int, Vector] = {}
        for sender, (_, theirs, model) in sorted(self._inbox.items()):
            share = self._share(age, theirs)
            shares = {peer: weight * (1 - share) for peer, weight in shares.items()}
            shares[sender], models[sender] = share, model
            age = max(age, theirs)
        self._inbox.clear()
        self._age = age
        weights = {peer: weight for peer, weight in shares.items() if peer != self._me and weight > 0}
        mixture = mix(self._me, self._own, weights, {peer: models[peer] for peer in weights})
        return Merged(mixture.params, weights, mixture.distance)

    def _share(self, own: int, theirs: int) -> float:
        """The weight of a model of age `theirs` beside one of age `own`."""
        if self._merge is Merge.LIMITED and abs(own - theirs) > self._limit:
            return 1.0 if theirs > own else 0.0
        return theirs / (own + theirs) if own + theirs else 0.5

    def take(self, sender: int, message: Message, params: Vector) -> Sequence[Send | Refuse]:
        held = self._inbox.get(sender)
        if message.kind is Kind.PUSH and message.params is not None and (held is None or held[0] <= message.round):
            self._inbox[sender] = message.round, message.at, message.params
        return []

    def lost(self, peer: int) -> None:
        """What it has sent stays good."""

    def memory(self) -> Memory:
        return {"counts": np.array([self._age, self._balance], dtype=np.int64)}

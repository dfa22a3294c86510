"""AD-PSGD: asynchronous averaging of pairs (Lian et al., ICML 2018), without locks and so without deadlock.

The paper makes each averaging atomic, and divides the peers into those who ask and those who are asked, so that nobody
waits in a circle. Here an exchange is a pair of opposite corrections: the one asked adds (a - b) / 2 to its model and
answers with b; the one that asked adds (b - a) / 2, with the a that it had sent. Local training goes on meanwhile and
commutes with that. Other exchanges do not: two at once would each bring the same two models together, and so swap
them instead. Who has asked therefore keeps those who ask it waiting until its own answer has come. Along every edge
the same end asks, the earlier one in a fixed order of all peers, so those who wait for each other form no circle.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np

from p2pfl_me.choice import Chance, chance_of
from p2pfl_me.gossip.kind import ProtocolKind, Seat
from p2pfl_me.gossip.protocol import NOTHING, Memory, Protocol, Refuse, Send
from p2pfl_me.gossip.waitfree import Merged, waitfree_core
from p2pfl_me.message import Kind, Message, Vector

HALF = np.float32(0.5)


def asks(one: int, other: int) -> bool:
    """Whether `one` is the end of an edge that asks: even ids come before odd ones, then lower before higher.

    On an even ring these are the paper's two groups, and nobody is kept waiting.
    """
    return (one % 2, one) < (other % 2, other)


class AdPsgd(ProtocolKind):
    kind: Literal["adpsgd"] = "adpsgd"
    uses_weights: ClassVar[bool] = False

    def core(self, seat: Seat) -> Protocol:
        return waitfree_core(seat, PairAveraging(seat.peer, seat.row, chance_of(seat.contract.seed, seat.peer)))


PATIENCE = 4
"""Rounds after which an offer without an answer no longer keeps others waiting."""


def _is_repeated(offer: Send, round: int) -> bool:
    """An offer that stands is said again after 2, 4, 8, ... rounds."""
    age = round - offer.message.round
    return age > 1 and age & (age - 1) == 0


class PairAveraging:
    """After each local training, average with one neighbour drawn at random among those whom this peer asks.

    A lost offer or answer is made good: an offer that stands is repeated after 2, 4, 8, ... rounds, and a repeated one
    gets the same answer. Only an exchange whose link ends between the two corrections stays one-sided. A neighbour that
    never answers holds nobody up for more than `PATIENCE` rounds.
    """

    waits: ClassVar[bool] = False

    def __init__(self, me: int, neighbours_at: Callable[[int], Mapping[int, float]], chance: Chance) -> None:
        self._me, self._neighbours_at, self._chance = me, neighbours_at, chance
        self._offer: Send | None = None
        """What this peer has asked and has no answer to."""
        self._standing: dict[int, Send] = {}
        """Offers that nobody has answered for so long that others no longer wait for it; the answer may still come."""
        self._asking: dict[int, Message] = {}
        """Offers that wait until then."""
        self._answered: dict[int, Message] = {}
        self._correction: Vector | None = None
        """What exchanges have changed since the training under way began."""
        self._partners: dict[int, float] = {}
        self._own = np.empty(0, np.float32)

    def trained(self, round: int, start: Vector, params: Vector, there: frozenset[int]) -> list[Send]:
        self._own = self._corrected(params)
        self._correction = None
        if self._offer is not None and round - self._offer.message.round >= PATIENCE:
            self._standing[self._offer.to], self._offer = self._offer, None
        again = [offer for offer in (*self._standing.values(), self._offer) if offer and _is_repeated(offer, round)]
        if self._offer is not None:
            return again
        answers = [*again, *self._answer_all(self._own)]
        met = there & self._neighbours_at(round).keys() - self._standing.keys()
        candidates = sorted(peer for peer in met if asks(self._me, peer))
        if not candidates:
            return answers
        partner = candidates[int(self._chance("whom", round, 0) * len(candidates))]
        self._offer = Send(partner, Message(Kind.OFFER, round, round, self._corrected(self._own)))
        return [*answers, self._offer]

    def due(self, round: int) -> Mapping[int, bool]:
        return {}

    def merge(self, round: int) -> Merged:
        own = self._corrected(self._own)
        self._correction = None
        met, self._partners = self._partners, {}
        # Each averaging halves what came before it.
        weights = {peer: 0.5 ** (len(met) - place) for place, peer in enumerate(met)}
        return Merged(own, dict(sorted(weights.items())), dict(sorted(met.items())))

    def take(self, sender: int, message: Message, params: Vector) -> Sequence[Send | Refuse]:
        if message.params is None:
            return []
        if message.kind is Kind.OFFER:
            before = self._answered.get(sender)
            if before is not None and before.round >= message.round:
                return [Send(sender, before)] if before.round == message.round else []
            self._asking[sender] = message
            return [] if self._offer else self._answer_all(params)
        offer = self._standing.get(sender, self._offer)
        if message.kind is Kind.ANSWER and offer and (offer.to, offer.message.round) == (sender, message.round):
            if self._standing.pop(sender, None) is None:
                self._offer = None
            assert offer.message.params is not None
            self._correct(sender, offer.message.params, message.params)
            return self._answer_all(params)
        return []

    def _answer_all(self, params: Vector) -> list[Send]:
        """One after the other in the order in which they came, each with what the ones before have left."""
        waiting, self._asking = self._asking, {}
        answers = []
        for sender, offer in waiting.items():
            assert offer.params is not None
            current = self._corrected(params)
            self._answered[sender] = answer = Message(Kind.ANSWER, offer.round, offer.round, current)
            self._correct(sender, current, offer.params)
            answers.append(Send(sender, answer))
        return answers

    def _corrected(self, params: Vector) -> Vector:
        return params if self._correction is None else params + self._correction

    def _correct(self, partner: int, mine: Vector, theirs: Vector) -> None:
        difference = theirs - mine
        norm = float(np.linalg.norm(mine)) or 1.0
        self._partners.pop(partner, None)
        self._partners[partner] = float(np.linalg.norm(difference)) / norm
        difference *= HALF
        self._correction = difference if self._correction is None else self._correction + difference

    def lost(self, peer: int) -> None:
        self._asking.pop(peer, None)
        self._answered.pop(peer, None)
        self._standing.pop(peer, None)
        if self._offer and self._offer.to == peer:
            self._offer = None

    def memory(self) -> Memory:
        return NOTHING

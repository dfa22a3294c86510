"""AD-PSGD: asynchronous averaging of pairs (Lian et al., ICML 2018), without locks and so without deadlock.

The paper makes each averaging atomic and keeps peers from waiting in a circle by a bipartition. Here an exchange is a
pair of opposite corrections: the one asked adds (a - b) / 2 to its model and answers with b; the one that asked adds
(b - a) / 2, with the a that it had sent, whatever its model has become meanwhile. Corrections commute with
everything, so nobody waits, and the sum of all models is that of their trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from p2pfl_me.gossip.protocol import NOTHING, Memory, Send
from p2pfl_me.gossip.push import Chance
from p2pfl_me.gossip.waitfree import Merged
from p2pfl_me.message import Kind, Message, Vector

HALF = np.float32(0.5)


class PairAveraging:
    """After each local training, average with one neighbour drawn at random.

    An offer stands until it is answered and is repeated when the same neighbour is drawn again, so a lost offer or
    answer is made good. Only an exchange whose link ends between the two corrections stays one-sided.
    """

    def __init__(self, me: int, neighbours_at: Callable[[int], Mapping[int, float]], chance: Chance) -> None:
        self._me, self._neighbours_at, self._chance = me, neighbours_at, chance
        self._offered: dict[int, Message] = {}
        self._answered: dict[int, Message] = {}
        self._correction: Vector | None = None
        """What exchanges have changed since the training under way began."""
        self._partners: dict[int, float] = {}
        self._own = np.empty(0, np.float32)

    def trained(self, round: int, start: Vector, params: Vector, there: frozenset[int]) -> list[Send]:
        self._own = params if self._correction is None else params + self._correction
        self._correction = None
        candidates = sorted(there & self._neighbours_at(round).keys())
        if not candidates:
            return []
        partner = candidates[int(self._chance("whom", round, 0) * len(candidates))]
        offer = self._offered.setdefault(partner, Message(Kind.OFFER, round, round, self._own))
        return [Send(partner, offer)]

    def awaited(self, round: int, there: frozenset[int]) -> frozenset[int]:
        return frozenset()

    def merge(self, round: int) -> Merged:
        own = self._own if self._correction is None else self._own + self._correction
        self._correction = None
        met, self._partners = self._partners, {}
        # Each averaging halves what came before it.
        weights = {peer: 0.5 ** (len(met) - place) for place, peer in enumerate(met)}
        return Merged(own, dict(sorted(weights.items())), dict(sorted(met.items())))

    def take(self, sender: int, message: Message, params: Vector) -> list[Send]:
        if message.params is None:
            return []
        if message.kind is Kind.OFFER:
            before = self._answered.get(sender)
            if before is not None and before.round >= message.round:
                return [Send(sender, before)] if before.round == message.round else []
            current = params if self._correction is None else params + self._correction
            self._answered[sender] = answer = Message(Kind.ANSWER, message.round, message.round, current)
            self._correct(sender, current, message.params)
            return [Send(sender, answer)]
        offer = self._offered.get(sender)
        if message.kind is Kind.ANSWER and offer is not None and offer.round == message.round:
            del self._offered[sender]
            assert offer.params is not None
            self._correct(sender, offer.params, message.params)
        return []

    def _correct(self, partner: int, mine: Vector, theirs: Vector) -> None:
        difference = theirs - mine
        norm = float(np.linalg.norm(mine)) or 1.0
        self._partners.pop(partner, None)
        self._partners[partner] = float(np.linalg.norm(difference)) / norm
        difference *= HALF
        self._correction = difference if self._correction is None else self._correction + difference

    def lost(self, peer: int) -> None:
        self._offered.pop(peer, None)
        self._answered.pop(peer, None)

    def memory(self) -> Memory:
        return NOTHING

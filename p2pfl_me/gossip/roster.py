"""One round's sum while it is made: whose models are here, who is on the roster, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

import numpy as np

from p2pfl_me.errors import WireError
from p2pfl_me.gossip.doubts import Doubts
from p2pfl_me.gossip.sums import Lives, Sums
from p2pfl_me.message import Packed, Vector

REMEMBERED = 4
"""Rounds back of which a peer knows whether it had a sum."""
FAR = 100.0
"""A sum whose norm is so many times that of one's own model is no models': masks that don't match give such sums."""
EVEN = 0.5
"""And one whose values are so large on the average, of the largest that a sum can have: where few bits leave no room
for what is far, it shows by being even all over."""


class Stage(Enum):
    """How far a round's sum has come."""

    MODELS = auto()
    PLEDGES = auto()
    LAST_WORDS = auto()
    """The sum is there or lost, and others have not said yet whether theirs need this peer: one without a sum wants to
    know, and one whose run is over still pledges itself."""


class SumToBe:
    """A receiver's side of one round."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums
        self.models: dict[int, Any] = {}
        self.unrequited: dict[int, str] = {}
        """Neighbours that leave this receiver's model out of their sums, and why: perhaps their models are here."""
        self.roster: Lives = {}
        self.pledges: dict[int, Any] = {}
        self.lost = ""
        """Why it cannot be had."""
        self._asked: set[int] = set()

    def name(self, lives: Lives, doubtful: Mapping[int, str]) -> dict[int, str]:
        """Choose the roster, empty if all are too few; returns why the others whose models are here are not on it.

        The unrequited are left out, too, unless the rest is too few: without any sum the receiver's row of W would be
        its column's still less. `doubtful` are those who may cost a sum, and why.
        """
        for avoided in ({*self.unrequited, *doubtful}, self.unrequited, ()):
            models = {peer: model for peer, model in self.models.items() if peer not in avoided}
            self.roster = self._sums.roster(lives, models)
            if self.roster:
                break
        few = "masked for others than those that are there"
        if not self.roster:
            enough = len(self.models) >= self._sums.least
            few = "too few models that are masked for each other" if enough else "too few models for a sum"
        reasons = {}
        for peer in self.models.keys() - self.roster.keys():
            doubt = doubtful.get(peer, few) if self.roster else few
            reasons[peer] = self.unrequited.get(peer, doubt)
        return reasons

    def asks(self) -> Mapping[int, Packed]:
        """Who is to be told of the roster now, with the pledges that are here, and in which words."""
        if self.lost:
            return {}
        asks = self._sums.asks(self.roster, self.pledges)
        self._asked |= asks.keys()
        return asks

    def needs(self, peer: int) -> bool:
        """Whether there is no sum without a word of this peer that has not come."""
        return peer in self.roster and peer not in self.pledges

    def take(self, sender: int, content: Packed, size: int) -> tuple[str, tuple[int, ...]]:
        """A word of a neighbour for the sum; why there is none with it, if that is so, and by whom."""
        pledge = self._sums.read_pledge(content, size)
        if pledge is None:
            before = next(reversed(self.pledges), sender)
            return f"peer {sender} could not read what peer {before} had handed on", (before, sender)
        self.pledges[sender] = pledge
        return "", ()

    @property
    def unasked(self) -> list[int]:
        """Whom a sum that was lost would have held, and who has not heard of it."""
        return sorted(self.roster.keys() - self._asked) if self.lost else []

    def total(self, own: Vector, doubts: Doubts, round: int) -> Vector | None:
        """The sum, float32 as `own`, which is (P,); None if there is none, and why, if it was lost."""
        if self.lost or not self.roster:
            return None
        total = self._opened(own)
        if total is None:
            doubts.spoilt(self.roster, round)
        else:
            doubts.sound(self.roster, round)
        return total

    def _opened(self, own: Vector) -> Vector | None:
        try:
            total = self._sums.total(self.roster, self.models, self.pledges, own.size)
        except WireError as error:
            self.lost = f"the sum was lost: {error}"
            return None
        size, mine = float(np.linalg.norm(total)), float(np.linalg.norm(own))
        if size > min(FAR * (mine + 1.0), max(2 * mine, EVEN * self._sums.largest * own.size**0.5)):
            self.lost = "the sum was lost: it is so far from every model that somebody's masks were no masks"
            return None
        return total

    def forget(self) -> None:
        """The round is over: nothing of the neighbours' words is kept."""
        self.models, self.pledges = {}, {}

"""What a synchronous round does around the averaging: the local rules that D-PSGD's exchange can carry.

A rule says which vector is exchanged after local training, and which model follows from its average. The exchange
itself, and with it every promise about W, is `dpsgd`'s.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from p2pfl_me.errors import DivergedError
from p2pfl_me.gossip.protocol import NOTHING, Memory
from p2pfl_me.message import Vector
from p2pfl_me.networks.layout import Ranges


class Rule(Protocol):
    """One peer's rule with its state; `start` is the model that the round's training started from, float32 (P,)."""

    def outgoing(self, round: int, start: Vector, trained: Vector) -> Vector:
        """The vector to exchange, float32 (E,)."""

    def incoming(self, start: Vector, trained: Vector, mixed: Vector) -> Vector:
        """The model, float32 (P,), once the exchanged vectors have been averaged to `mixed` (E,)."""

    def late(self, round: int, correction: Vector) -> Vector:
        """What a correction (E,) to the vector of an earlier round, whose exchange was settled late, adds to the model.

        Float32 (P,); the rule's own state takes its part.
        """

    @property
    def distance(self) -> float | None:
        """The consensus distance of all peers relative to one's own norm, where the rule knows it."""

    def memory(self) -> Memory:
        """What must be found again after a restart."""


def sent_of(rule: Rule, round: int, start: Vector, trained: Vector, largest: float) -> Vector:
    """What a rule has sent of a round, float32 (E,).

    It may be larger than the model that was trained, which its trainer has looked at: a step or a momentum is in it,
    and one neighbour's models can have made those large. Whoever got it would hold that against this peer.

    Raises
    ------
    DivergedError
        Its norm is above `largest`, so that nobody takes it.
    """
    found = rule.outgoing(round, start, trained)
    norm = float(np.linalg.norm(found)) if largest < math.inf else 0.0
    if norm <= largest:  # NaN is not
        return found
    raise DivergedError(
        f"what would be sent has a norm of {norm:.3g}, where {largest:g} is the most that anybody takes",
        where=f"round {round + 1}",
        fix="see whose model led this one away (p2pme status), and lower training.learning_rate if it was nobody's",
    )


class Unwatched:
    """The part of those rules that know of no other peer's distance."""

    @property
    def distance(self) -> float | None:
        return None

    def late(self, round: int, correction: Vector) -> Vector:
        return correction


class Plain(Unwatched):
    """D-PSGD: the trained model is averaged (Lian et al., NeurIPS 2017)."""

    def outgoing(self, round: int, start: Vector, trained: Vector) -> Vector:
        return trained

    def incoming(self, start: Vector, trained: Vector, mixed: Vector) -> Vector:
        return mixed

    def memory(self) -> Memory:
        return NOTHING


class Personal(Unwatched):
    """What lies in `personal` stays there and is never averaged: the last layer (FedPer, Arivazhagan et al. 2019), the
    normalisation layers (FedBN, Li et al., ICLR 2021), or both."""

    def __init__(self, personal: Ranges) -> None:
        self._personal = personal

    def outgoing(self, round: int, start: Vector, trained: Vector) -> Vector:
        begins = [0, *(end for _, end in self._personal)]
        ends = [*(begin for begin, _ in self._personal), trained.size]
        return np.concatenate([trained[begin:end] for begin, end in zip(begins, ends, strict=True)])

    def incoming(self, start: Vector, trained: Vector, mixed: Vector) -> Vector:
        return self._spread(mixed, trained)

    def late(self, round: int, correction: Vector) -> Vector:
        kept = sum(end - begin for begin, end in self._personal)
        return self._spread(correction, np.zeros(correction.size + kept, np.float32))

    def _spread(self, sent: Vector, whole: Vector) -> Vector:
        """`whole` with everything that travels replaced by what was `sent`."""
        out, taken = whole.copy(), 0
        begins = [0, *(end for _, end in self._personal)]
        ends = [*(begin for begin, _ in self._personal), whole.size]
        for begin, end in zip(begins, ends, strict=True):
            out[begin:end] = sent[taken : taken + end - begin]
            taken += end - begin
        return out

    def memory(self) -> Memory:
        return NOTHING

"""What peers say to each other. Values only: how they travel is `wire`'s, what they mean is `gossip`'s."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
"""A flat float32 vector of all trainable parameters, shape (P,), in the order of the model's layout."""
MAX_WEIGHT = 1e4
"""Magnitude above which a weight is absurd, and so is the norm of a model; those of trained networks stay below 10."""
MAX_ROUND = 2**31
"""The largest number that a message can say: a round, a mask, milliseconds."""
Places = npt.NDArray[np.int64]
"""Which values of a vector, ascending."""
Packed = npt.NDArray[np.uint8]
"""A compressed vector, as bytes."""


class Kind(Enum):
    """The kinds of message. What `MODELS`, `HIDDEN` and `KEYS` do not name has a header and nothing else."""

    HELLO = "hello"
    """First message on a fresh link: the sender's current round, so that a returning peer can catch up."""
    OFFER = "offer"
    """The higher id of an edge offers its model of this round."""
    ANSWER = "answer"
    """The lower id answers with its own model. It will mix the offer: the answer is the receipt."""
    SKIP = "skip"
    """The lower id will not mix this edge in this round; neither may the other."""
    WITHDRAW = "withdraw"
    """The higher id has waited long enough; the lower id replies ANSWER (already sent) or SKIP."""
    PUSH = "push"
    """The sender's state of a wait-free protocol; no answer is due. `at` is what that protocol says with it."""
    PRESENT = "present"
    """Before the start: who is there, as far as the sender knows. `at` is a mask of the 31 ids from 31 `round` on."""
    BEGUN = "begun"
    """The sender has begun to train: the run is under way."""
    KEY = "key"
    """Where sums hide models: the public key of the sender's life, which its neighbours hand on to each other; under
    ckks also the key that they encrypt under for it as a receiver."""
    CIRCLE = "circle"
    """The lives' keys of all neighbours of the sender that it knows, for who gives it models."""
    MASKED = "masked"
    """Under masks: the sender's model for this one receiver, hidden from it until it is one of a sum. Under ckks: the
    word that it has one to add."""
    ROSTER = "roster"
    """Whose models the sender, as a receiver, will sum; its own life alone if it has no sum. Under ckks also the link
    of the chain that the one before has made."""
    PLEDGE = "pledge"
    """What the sender gives for the sum over one roster, and for no other: its secrets under masks, its link of the
    chain under ckks."""
    LATER = "later"
    """The sender needs `at` more milliseconds to train round `round`."""
    WAITS = "waits"
    """The sender waits for others, then trains: it needs `at` more milliseconds until it can exchange round `round`."""
    REST = "rest"
    """The sender, which has begun, goes on for `at` more milliseconds: the contract ends the run by time."""
    WORK = "work"
    """Peer `round` has trained `at` rounds, as far as the sender knows: everybody's work ends the run."""
    LEAVE = "leave"
    """The sender has ended, with `at` rounds behind it. `round` is below that if it is done before the contract's last
    round, and not if it was stopped and may come back."""
    WANT = "want"
    """The sender is behind and nobody is left to train with: may it have the receiver's final model?"""
    FINAL = "final"
    """The sender's final model; `at` rounds are behind it."""


MODELS = frozenset({Kind.OFFER, Kind.ANSWER, Kind.PUSH, Kind.FINAL})
"""They carry a model, whole or packed."""
HIDDEN = frozenset({Kind.MASKED, Kind.ROSTER, Kind.PLEDGE})
"""They carry bytes that bring a model into a sum, and show it to nobody."""
KEYS = frozenset({Kind.KEY, Kind.CIRCLE})
"""They carry the bytes of public keys."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the gossip protocol.

    `round` is the round it belongs to; for SKIP, HELLO and LEAVE `at` is the round the sender stands in.
    `MODELS` have `params` or, under a contract with compression, `packed`, and other bytes are `packed`; the
    receiver owns the array and must not write to the sender's.
    """

    kind: Kind
    round: int
    at: int = 0
    params: Vector | None = field(default=None, repr=False)
    packed: Packed | None = field(default=None, repr=False)

    @property
    def content(self) -> Vector | Packed | None:
        """The model in whichever form it travels."""
        return self.params if self.params is not None else self.packed

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        one, two = self.content, other.content
        same = one is two or (
            one is not None and two is not None and one.dtype == two.dtype and np.array_equal(one, two)
        )
        return (self.kind, self.round, self.at) == (other.kind, other.round, other.at) and same

    def __hash__(self) -> int:
        return hash((self.kind, self.round, self.at))

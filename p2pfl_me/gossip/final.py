"""The model that a run has come to, as it travels (FINAL), and what becomes of several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p2pfl_me.gossip.rules import Personal
from p2pfl_me.message import MAX_WEIGHT, Vector
from p2pfl_me.networks.layout import Ranges


@dataclass(frozen=True, slots=True)
class Final:
    """How a model travels as FINAL: without what is `personal`, filled up to the `size` of this contract's messages."""

    size: int
    personal: Ranges = ()

    def packed(self, params: Vector) -> Vector:
        """What is sent of a model, float32 (size,)."""
        sent = Personal(self.personal).outgoing(0, params, params)
        return np.concatenate([sent, np.zeros(self.size - sent.size, np.float32)])

    def unpacked(self, content: Vector, own: Vector) -> Vector | None:
        """The model that came, with one's own part at home; None where it is none."""
        sent = own.size - sum(end - begin for begin, end in self.personal)
        model = content[:sent]
        if content.dtype != np.float32 or not float(np.linalg.norm(model)) <= MAX_WEIGHT:  # NaN is not
            return None
        return Personal(self.personal).incoming(own, own, model)


def one_of(models: NDArray[np.float32], *, stands_up: bool) -> Vector:
    """The mean of models (n, P); their median, value by value, where it should stand up to less than half of them."""
    found = np.median(models, axis=0) if stands_up else models.mean(axis=0, dtype=np.float64)
    return np.asarray(found, dtype=np.float32)

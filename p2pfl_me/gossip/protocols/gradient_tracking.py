"""Gradient tracking around D-PSGD's exchange."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from p2pfl_me.gossip.kind import RoundProtocol, Start
from p2pfl_me.gossip.protocol import NOTHING, Memory
from p2pfl_me.gossip.rules import Rule, Unwatched
from p2pfl_me.message import Vector


class GradientTrackingProtocol(RoundProtocol):
    kind: Literal["gradient_tracking"] = "gradient_tracking"
    predicted: ClassVar[bool] = True

    def exchanged(self, size: int) -> int:
        """The model and the tracked step."""
        return 2 * size

    def rule(self, start: Start, rounds: int) -> Rule:
        return GradientTracking(start.memory)


class GradientTracking(Unwatched):
    """Each peer tracks the mean of all peers' steps (Di Lorenzo and Scutari 2016; Nedic, Olshevsky, Shi 2017).

    With d = start - trained standing for the local gradient step: y <- (averaged y) + d - (last d); the model and y
    are exchanged together, [start - y, y], which doubles the bytes. While both ends of every edge agree, the sum of
    all y is the sum of all d.
    """

    def __init__(self, memory: Memory) -> None:
        self._mean: Vector | None = memory.get("tracked")
        self._step: Vector | None = memory.get("step")

    def outgoing(self, round: int, start: Vector, trained: Vector) -> Vector:
        step = start - trained
        tracked = step if self._mean is None or self._step is None else self._mean + (step - self._step)
        self._step = step
        return np.concatenate((start - tracked, tracked))

    def incoming(self, start: Vector, trained: Vector, mixed: Vector) -> Vector:
        params, self._mean = np.split(mixed, 2)
        return np.ascontiguousarray(params)

    def late(self, round: int, correction: Vector) -> Vector:
        params, mean = np.split(correction, 2)
        self._mean = mean if self._mean is None else self._mean + mean
        return np.ascontiguousarray(params)

    def memory(self) -> Memory:
        return NOTHING if self._mean is None or self._step is None else {"tracked": self._mean, "step": self._step}

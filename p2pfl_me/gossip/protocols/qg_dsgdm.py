"""Quasi-global momentum around D-PSGD's exchange."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from p2pfl_me.gossip.kind import RoundProtocol, Start
from p2pfl_me.gossip.protocol import NOTHING, Memory
from p2pfl_me.gossip.rules import Rule, Unwatched
from p2pfl_me.message import Vector


class QgDsgdm(RoundProtocol):
    kind: Literal["qg_dsgdm"] = "qg_dsgdm"
    momentum: Annotated[float, Field(gt=0, lt=1)] = 0.9
    compressible: ClassVar[bool] = True
    may_sum: ClassVar[bool] = True
    may_aggregate: ClassVar[bool] = True

    def rule(self, start: Start, rounds: int) -> Rule:
        return QuasiGlobalMomentum(self.momentum, start.memory)


class QuasiGlobalMomentum(Unwatched):
    """QG-DSGDm: momentum along the averaged model's own path (Lin et al., ICML 2021). No extra message.

    With d = start - trained standing for the local gradient step: exchange start - (d + beta m), and after averaging
    m <- mu m + (1 - mu) (start - mixed), with mu = beta.
    """

    def __init__(self, beta: float, memory: Memory) -> None:
        self._beta = np.float32(beta)
        self._momentum: Vector | None = memory.get("momentum")

    def outgoing(self, round: int, start: Vector, trained: Vector) -> Vector:
        return trained if self._momentum is None else trained - self._beta * self._momentum

    def incoming(self, start: Vector, trained: Vector, mixed: Vector) -> Vector:
        step = (np.float32(1) - self._beta) * (start - mixed)
        self._momentum = step if self._momentum is None else self._beta * self._momentum + step
        return mixed

    def memory(self) -> Memory:
        return NOTHING if self._momentum is None else {"momentum": self._momentum}

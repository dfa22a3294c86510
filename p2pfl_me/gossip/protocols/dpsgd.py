"""Synchronous decentralised SGD: the trained models themselves are averaged."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.gossip.kind import RoundProtocol, Start
from p2pfl_me.gossip.rules import Plain, Rule


class Dpsgd(RoundProtocol):
    """Lian et al., NeurIPS 2017, Algorithm 1, with local epochs in place of one gradient step."""

    kind: Literal["dpsgd"] = "dpsgd"
    predicted: ClassVar[bool] = True
    compressible: ClassVar[bool] = True
    may_sum: ClassVar[bool] = True
    may_aggregate: ClassVar[bool] = True
    may_be_personal: ClassVar[bool] = True
    may_slice: ClassVar[bool] = True
    within_hull: ClassVar[bool] = True
    keeps_average: ClassVar[bool] = True
    exchanges_model: ClassVar[bool] = True

    def rule(self, start: Start, rounds: int) -> Rule:
        return Plain()

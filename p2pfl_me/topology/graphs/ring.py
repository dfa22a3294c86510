"""A closed chain."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.topology.kind import Pairs, Topology
from p2pfl_me.topology.pairs import circulant


class Ring(Topology):
    kind: Literal["ring"]
    summary: ClassVar[str] = "a closed chain: two neighbours each, the slowest common graph"

    def pairs(self, count: int) -> Pairs:
        return circulant(count, [1])

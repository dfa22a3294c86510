"""The complete graph."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.topology.kind import Pairs, Topology, Weigh
from p2pfl_me.topology.schedule import CompleteSchedule, Schedule


class Mesh(Topology):
    """Every peer is every other's neighbour."""

    kind: Literal["mesh"]
    summary: ClassVar[str] = "all are neighbours: exact consensus in one round, n - 1 models sent each"

    def pairs(self, count: int) -> Pairs:
        return ((low, high) for high in range(count) for low in range(high))

    def schedule(self, count: int, weigh: Weigh) -> Schedule:
        """1 / n each, which every choice of weights comes to on a complete graph; no list of edges is held."""
        return CompleteSchedule(count)

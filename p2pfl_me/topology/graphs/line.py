"""An open chain."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.topology.kind import Pairs, Placing, Topology


class Line(Topology):
    kind: Literal["line"]
    summary: ClassVar[str] = "an open chain: the worst connected graph"
    placing: ClassVar[Placing] = Placing.ROWS

    def pairs(self, count: int) -> Pairs:
        return ((peer, peer + 1) for peer in range(count - 1))

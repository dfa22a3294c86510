"""EquiTopo of one peer a round."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from p2pfl_me.choice import PositiveInt
from p2pfl_me.topology.arcs import CirculantSchedule, DirectedSchedule
from p2pfl_me.topology.equitopo import HALF, basis, dynamic_shift, matching
from p2pfl_me.topology.kind import Pairs, Topology, Weigh
from p2pfl_me.topology.pairs import circulant
from p2pfl_me.topology.schedule import ChangingSchedule, Edge, Schedule


class EquiDynamic(Topology):
    """EquiTopo of one peer: each round one random u, and peer i meets, or sends to, i + u (mod n).

    u is one of `shifts` that are drawn once, which bounds the links to hold; by default any of 1..n-1.
    """

    kind: Literal["equi_dynamic"]
    shifts: PositiveInt | None = None
    directed: bool = False
    seed: int = 0
    summary: ClassVar[str] = "pairs at one random distance around a circle, another every round (EquiTopo, one peer)"
    needs: ClassVar[str] = (
        "any number; shifts to draw from (all), directed (false; true needs protocol push_sum), seed (0)"
    )
    changes: ClassVar[bool] = True
    own_weights: ClassVar[bool] = True

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        return {"seed": 0}

    @property
    def one_way(self) -> bool:
        return self.directed

    def pairs(self, count: int) -> Pairs:
        return circulant(count, sorted(set(self._drawn(count))) or range(1, count))

    def schedule(self, count: int, weigh: Weigh) -> Schedule:
        """OU-EquiDyn: each round a matching along one random distance around a circle, pairs averaging."""
        drawn = self._drawn(count)
        offsets = {offset for shift in drawn or range(1, count) for offset in (shift, count - shift)}

        def edges_of(round: int) -> tuple[Edge, ...]:
            if count == 1:
                return ()
            return tuple(Edge(a, b, HALF) for a, b in matching(count, *dynamic_shift(count, drawn, self.seed, round)))

        return ChangingSchedule(
            count, None, edges_of, lambda peer: tuple(sorted((peer + offset) % count for offset in offsets))
        )

    def arcs(self, count: int) -> DirectedSchedule:
        """OD-EquiDyn: in each round everyone sends half of itself u places on, for one random u."""
        drawn = self._drawn(count)

        def shares_of(round: int) -> dict[int, float]:
            return {dynamic_shift(count, drawn, self.seed, round)[0]: HALF} if count > 1 else {}

        return CirculantSchedule(count, None, shares_of, drawn or range(1, count))

    def _drawn(self, count: int) -> tuple[int, ...]:
        return () if self.shifts is None else basis(count, self.shifts, self.seed)

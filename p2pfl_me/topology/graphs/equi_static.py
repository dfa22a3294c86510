"""EquiTopo that stands."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from p2pfl_me.choice import PositiveInt
from p2pfl_me.topology.arcs import CirculantSchedule, DirectedSchedule
from p2pfl_me.topology.equitopo import basis, default_shifts, static_shares, static_weights
from p2pfl_me.topology.kind import Pairs, Topology, Weigh
from p2pfl_me.topology.pairs import circulant
from p2pfl_me.topology.schedule import ChangingSchedule, Edge, Schedule


class EquiStatic(Topology):
    """EquiTopo that stands: peer i is linked with i + u (mod n) for `shifts` random u (default: ceil(log2 n))."""

    kind: Literal["equi_static"]
    shifts: PositiveInt | None = None
    directed: bool = False
    seed: int = 0
    summary: ClassVar[str] = "random distances around a circle (EquiTopo): mixes as fast for any n"
    needs: ClassVar[str] = "any number; shifts (ceil(log2 n)), directed (false; true needs protocol push_sum), seed (0)"
    own_weights: ClassVar[bool] = True

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        return {"seed": 0}

    def asked_edges(self, count: int) -> tuple[str, float, float] | None:
        return None if self.shifts is None else ("shifts", self.shifts, self.shifts * count)

    @property
    def one_way(self) -> bool:
        return self.directed

    def pairs(self, count: int) -> Pairs:
        return circulant(count, sorted(set(self._drawn(count))))

    def schedule(self, count: int, weigh: Weigh) -> Schedule:
        """U-EquiStatic: one graph of random distances around a circle, with the paper's weights; see `equitopo`."""
        found = static_weights(count, self._drawn(count))
        ways = {way: weight for distance, weight in found.items() for way in (distance, count - distance)}

        def edges_of(round: int) -> tuple[Edge, ...]:
            ahead = sorted(ways.items())
            return tuple(Edge(a, a + way, weight) for a in range(count) for way, weight in ahead if a + way < count)

        return ChangingSchedule(count, 1, edges_of, lambda peer: tuple(sorted((peer + way) % count for way in ways)))

    def arcs(self, count: int) -> DirectedSchedule:
        """D-EquiStatic: peer i sends to i + u (mod n) for every drawn shift u; see `equitopo`."""
        shares = static_shares(count, self._drawn(count))
        return CirculantSchedule(count, 1, lambda round: shares, shares)

    def _drawn(self, count: int) -> tuple[int, ...]:
        return basis(count, default_shifts(count) if self.shifts is None else self.shifts, self.seed)

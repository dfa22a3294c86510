"""The one-peer exponential graph: each round everyone sends half of itself to one other, twice as far as last time.

Ying, Yuan, Chen, Hu, Pan, Yin, "Exponential graph is provably efficient for decentralized deep training", NeurIPS 2021.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from p2pfl_me.topology.arcs import CirculantSchedule, DirectedSchedule
from p2pfl_me.topology.graphs.exponential import doubling_steps
from p2pfl_me.topology.kind import Pairs, Topology
from p2pfl_me.topology.pairs import circulant

if TYPE_CHECKING:
    from p2pfl_me.topology.spectral import Figures


class OnePeerExponential(Topology):
    """In round t peer i sends half of itself to i + 2^(t mod ceil(log2 n)) (mod n). Directed."""

    kind: Literal["one_peer_exponential"]
    summary: ClassVar[str] = (
        "peer i sends to i + 1, then + 2, + 4, ...; exact mean after log2 n rounds for n = 2^m; directed"
    )
    needs: ClassVar[str] = "any number of peers; protocol push_sum; all must stay"
    changes: ClassVar[bool] = True
    own_weights: ClassVar[bool] = True

    @property
    def one_way(self) -> bool:
        return True

    def pairs(self, count: int) -> Pairs:
        return circulant(count, doubling_steps(count))

    def arcs(self, count: int) -> DirectedSchedule:
        return one_peer_exponential(count)

    def remark(self, figures: Figures) -> tuple[str, ...]:
        if figures.exact_after is not None:
            return ()
        power = figures.peers.bit_length()
        return (
            f"never exact for {figures.peers}: {1 << (power - 1)} peers agree after {power - 1} rounds, "
            f"{1 << power} after {power}; `base` is exact for any number",
        )


def one_peer_exponential(count: int) -> CirculantSchedule:
    """In round t peer i sends half of itself to i + 2^(t mod ceil(log2 n)) (mod n).

    For n a power of two the product of a period's matrices is J / n: the exact mean after log2 n rounds, in any order.
    For other n it is only approached.
    """
    steps = doubling_steps(count)
    return CirculantSchedule(count, max(1, len(steps)), lambda round: {steps[round]: 0.5} if steps else {}, steps)

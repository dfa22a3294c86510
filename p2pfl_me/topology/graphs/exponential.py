"""The exponential graph that stands."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.topology.kind import Pairs, Topology
from p2pfl_me.topology.pairs import circulant


class Exponential(Topology):
    """Peer i is linked with i + 2^j (mod n): the symmetric static exponential graph."""

    kind: Literal["exponential"]
    summary: ClassVar[str] = "peer i knows i + 1, 2, 4, ...: about 2 log2 n each, fast for any n"

    def pairs(self, count: int) -> Pairs:
        return circulant(count, doubling_steps(count))


def doubling_steps(count: int) -> list[int]:
    """1, 2, 4, ... below `count`."""
    return [1 << power for power in range((count - 1).bit_length())]

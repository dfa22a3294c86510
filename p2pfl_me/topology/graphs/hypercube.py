"""The hypercube."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.errors import ContractError
from p2pfl_me.topology.kind import Pairs, Placing, Topology


class Hypercube(Topology):
    kind: Literal["hypercube"]
    summary: ClassVar[str] = "neighbours differ in one bit of their ids: log2 n each"
    needs: ClassVar[str] = "2^m peers"
    ready_count: ClassVar[int] = 8
    placing: ClassVar[Placing] = Placing.CORNERS

    def pairs(self, count: int) -> Pairs:
        if count & (count - 1):
            below = 1 << (count.bit_length() - 1)
            raise ContractError(
                f"a hypercube has 2^m peers, and there are {count}",
                where="peers",
                fix=f"take {below} or {2 * below} peers, or kind: exponential, which is as short for any number",
            )
        bits = count.bit_length() - 1
        return ((peer, peer ^ (1 << bit)) for peer in range(count) for bit in range(bits))

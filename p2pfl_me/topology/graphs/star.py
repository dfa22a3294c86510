"""One peer in the middle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from p2pfl_me.counting import many
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.kind import Pairs, Placing, Topology
from p2pfl_me.topology.pairs import ids


class Star(Topology):
    kind: Literal["star"]
    center: Annotated[int, Field(ge=0)] = 0
    summary: ClassVar[str] = "one peer in the middle: what a server would see"
    needs: ClassVar[str] = "any number; center (0)"
    placing: ClassVar[Placing] = Placing.AROUND

    @property
    def marks(self) -> Mapping[str, Any]:
        return {"center": self.center}

    def among(self, present: tuple[int, ...]) -> Topology:
        if self.center not in present:
            if self.center > max(present):
                return self  # refused by its pairs
            raise ContractError(
                f"the star's center is peer {self.center}, which has left",
                where="topology.center",
                fix=f"take one of {ids(present)}",
            )
        return self.model_copy(update={"center": present.index(self.center)})

    def pairs(self, count: int) -> Pairs:
        if self.center >= count:
            raise ContractError(
                f"the star's center is peer {self.center}, and the contract has {many(count, 'peer')}",
                where="topology.center",
                fix=f"take one of {ids(range(count))}",
            )
        return ((self.center, peer) for peer in range(count) if peer != self.center)

"""Watts-Strogatz graphs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from p2pfl_me.choice import PositiveInt
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.draws import watts_strogatz
from p2pfl_me.topology.kind import Pairs, Topology
from p2pfl_me.topology.pairs import connected_draw


class SmallWorld(Topology):
    """Watts-Strogatz, connected."""

    kind: Literal["small_world"]
    neighbours: PositiveInt = 4
    rewire: Annotated[float, Field(ge=0, le=1)] = 0.3
    seed: int = 0
    summary: ClassVar[str] = "a circle with a few long links (Watts-Strogatz), drawn until connected"
    needs: ClassVar[str] = "3 or more; neighbours (4, even), rewire (0.3), seed (0)"

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        return {"neighbours": max(2, min(4, (count - 1) // 2 * 2)), "rewire": 0.3, "seed": 0}

    def asked_edges(self, count: int) -> tuple[str, float, float] | None:
        return "neighbours", self.neighbours, self.neighbours * count / 2

    def pairs(self, count: int) -> Pairs:
        where = "topology.neighbours"
        largest = (count - 1) // 2 * 2
        if largest < 2:
            raise ContractError(
                f"a small world needs at least 3 peers, and there are {count}",
                where="topology.kind",
                fix="add peers, or take kind: mesh",
            )
        if self.neighbours > largest:
            raise ContractError(
                f"{self.neighbours} neighbours on a circle of {count} peers", where=where, fix=f"at most {largest} fit"
            )
        if self.neighbours % 2:
            near = [even for even in (self.neighbours - 1, self.neighbours + 1) if 2 <= even <= largest]
            raise ContractError(
                f"{self.neighbours} neighbours cannot lie evenly on both sides",
                where=where,
                fix=f"take an even number: {' or '.join(map(str, near))}",
            )
        return connected_draw(
            lambda rng: watts_strogatz(count, self.neighbours, self.rewire, rng),
            count,
            self.seed,
            "small_world",
            f"with {self.neighbours} neighbours and rewire {self.rewire:g}",
            "raise topology.neighbours or lower topology.rewire",
        )

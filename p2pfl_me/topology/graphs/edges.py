"""A user's own list of edges."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from p2pfl_me.counting import many
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.kind import Pairs, Placing, Topology
from p2pfl_me.topology.pairs import ids


class Edges(Topology):
    kind: Literal["edges"]
    edges: tuple[tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]], ...]
    summary: ClassVar[str] = "your own list of edges"
    needs: ClassVar[str] = "edges: [[a, b], ...], connected"
    placing: ClassVar[Placing] = Placing.BY_HOPS

    @field_validator("edges", mode="before")
    @classmethod
    def _pairs(cls, edges: Any) -> Any:
        for edge in edges if isinstance(edges, list) else ():
            if isinstance(edge, list) and len(edge) != 2:
                raise ValueError(f"{edge} is not a pair of peers such as [0, 1]; weights follow from the graph")
        return edges

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        """Two halves, each a circle, with two bridges: the shape of two groups of labs."""
        half = count // 2
        first, second = list(range(half)), list(range(half, count))
        bridges = [(first[0], second[0]), (first[half // 2], second[len(second) // 2])] if half else []
        pairs = {(min(pair), max(pair)) for pair in [*_circle(first), *_circle(second), *bridges]}
        return {"edges": [list(pair) for pair in sorted(pairs)]}

    def among(self, present: tuple[int, ...]) -> Topology:
        ranks = {peer: rank for rank, peer in enumerate(present)}
        if len(present) == max(present) + 1:
            return self
        for index, (a, b) in enumerate(self.edges):
            if gone := {a, b} - ranks.keys():
                raise ContractError(
                    f"[{a}, {b}] names peer {min(gone)}, which has left or was never there",
                    where=f"topology.edges.{index}",
                    fix="remove it, and see that the others stay connected",
                )
        return self.model_copy(update={"edges": tuple((ranks[a], ranks[b]) for a, b in self.edges)})

    def pairs(self, count: int) -> Pairs:
        for index, (a, b) in enumerate(self.edges):
            where = f"topology.edges.{index}"
            if a == b:
                raise ContractError(f"[{a}, {b}] links peer {a} with itself", where=where, fix="remove it")
            if max(a, b) >= count:
                raise ContractError(
                    f"[{a}, {b}] names peer {max(a, b)}, and the contract has {many(count, 'peer')}",
                    where=where,
                    fix=f"ids are {ids(range(count))}",
                )
        return self.edges


def _circle(peers: list[int]) -> list[tuple[int, int]]:
    turned = [*peers[1:], *peers[:1]]
    return [pair for pair in zip(peers, turned, strict=True) if pair[0] != pair[1]]

"""Random regular graphs that stand."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from p2pfl_me.choice import PositiveInt
from p2pfl_me.counting import many
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.draws import random_regular
from p2pfl_me.topology.kind import Pairs, Placing, Topology
from p2pfl_me.topology.pairs import connected_draw


class Regular(Topology):
    """A random regular graph, connected."""

    kind: Literal["regular"]
    degree: PositiveInt = 4
    seed: int = 0
    summary: ClassVar[str] = "random links, the same number for all, drawn until connected"
    needs: ClassVar[str] = "degree (4) * peers even; seed (0)"
    placing: ClassVar[Placing] = Placing.BY_HOPS

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        return {"degree": 4, "seed": 0}

    def asked_edges(self, count: int) -> tuple[str, float, float] | None:
        return "degree", self.degree, self.degree * count / 2

    def pairs(self, count: int) -> Pairs:
        degree, where = self.degree, "topology.degree"
        if degree >= count:
            fix = f"at most {count - 1}" if count > 1 else "a single peer runs alone with kind: mesh"
            raise ContractError(f"{many(count, 'peer')} cannot each have {degree} neighbours", where=where, fix=fix)
        if degree * count % 2:
            near = [even for even in (degree - 1, degree + 1) if 2 <= even < count]
            raise ContractError(
                f"{count} peers cannot each have {degree} neighbours: {count} * {degree} ends do not pair up",
                where=where,
                fix=f"take degree {' or '.join(map(str, near))}, or an even number of peers",
            )
        if degree == 1 and count > 2:
            raise ContractError(
                f"{count} peers with one neighbour each fall into pairs", where=where, fix="take degree 2 or more"
            )
        return connected_draw(
            lambda rng: random_regular(count, degree, rng),
            count,
            self.seed,
            "regular",
            f"of degree {degree}",
            "raise topology.degree, or take kind: ring",
        )

"""Erdos-Renyi graphs."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from p2pfl_me.topology.draws import erdos_renyi
from p2pfl_me.topology.kind import Pairs, Placing, Topology
from p2pfl_me.topology.pairs import connected_draw


class Random(Topology):
    """Erdos-Renyi, drawn again from the next seed until it is connected.

    `probability` defaults to 2 ln n / n, above the connectivity threshold ln n / n.
    """

    kind: Literal["random"]
    probability: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: int = 0
    summary: ClassVar[str] = "each pair linked by chance (Erdos-Renyi), drawn until connected"
    needs: ClassVar[str] = "any number; probability (2 ln n / n), seed (0)"
    placing: ClassVar[Placing] = Placing.BY_HOPS

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        return {"seed": 0}

    def asked_edges(self, count: int) -> tuple[str, float, float] | None:
        value = self.probability
        return None if value is None else ("probability", value, value * count * (count - 1) / 2)

    def pairs(self, count: int) -> Pairs:
        probability = random_probability(count) if self.probability is None else self.probability
        return connected_draw(
            lambda rng: erdos_renyi(count, probability, rng),
            count,
            self.seed,
            "random",
            f"with probability {probability:g} "
            f"(below about {math.log(count) / count:.2g} = ln n / n it seldom happens)",
            f"raise topology.probability; {random_probability(count):.2g} is the default for {count} peers",
        )


def random_probability(count: int) -> float:
    """2 ln n / n: twice the threshold above which a random graph is connected almost surely."""
    return min(1.0, 2 * math.log(count) / count)

"""Epidemic learning where all draw the same graph."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar, Literal

from p2pfl_me.choice import PositiveInt, derive_seed
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.draws import random_regular
from p2pfl_me.topology.kind import Pairs, Topology, Weigh
from p2pfl_me.topology.pairs import circulant
from p2pfl_me.topology.schedule import ChangingSchedule, Edge, Schedule


class Epidemic(Topology):
    """EL-Oracle without an oracle: each round a new random regular graph, drawn by everyone from the same hash."""

    kind: Literal["epidemic"]
    meets: PositiveInt = 2
    seed: int = 0
    summary: ClassVar[str] = "epidemic learning: every round a new random regular graph; stands coming and going"
    needs: ClassVar[str] = "meets (2) others a round, meets * peers even; seed (0)"
    changes: ClassVar[bool] = True
    own_weights: ClassVar[bool] = True

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        return {"meets": min(2, max(1, count - 1)), "seed": 0}

    def asked_edges(self, count: int) -> tuple[str, float, float] | None:
        return "meets", self.meets, self.meets * count / 2

    def pairs(self, count: int) -> Pairs:
        return circulant(count, range(1, count))

    def schedule(self, count: int, weigh: Weigh) -> Schedule:
        return epidemic_schedule(count, self.meets, self.seed)


def epidemic_schedule(count: int, meets: int, seed: int) -> ChangingSchedule:
    """EL-Oracle (de Vos et al., "Epidemic learning", NeurIPS 2023): a fresh random regular graph every round.

    Theirs asks a coordinator for the graph; here all peers draw the same one from a hash of seed and round. Each
    gives all it meets, and itself, the weight 1 / (meets + 1).

    Raises
    ------
    ContractError
        No such regular graph exists.
    """
    if count > 1 and meets >= count:
        raise ContractError(
            f"{count} peers cannot each meet {meets} others", where="topology.meets", fix=f"at most {count - 1}"
        )
    if meets * count % 2 and count > 1:
        near = [even for even in (meets - 1, meets + 1) if 1 <= even < count]
        raise ContractError(
            f"{count} peers cannot each meet {meets} others: {count} * {meets} ends do not pair up",
            where="topology.meets",
            fix=f"take {' or '.join(map(str, near))}, or an even number of peers",
        )

    def edges_of(round: int) -> tuple[Edge, ...]:
        if count == 1:
            return ()
        drawn = random_regular(count, meets, Random(derive_seed(seed, "topology", "epidemic", round)))
        return tuple(Edge(a, b, 1 / (meets + 1)) for a, b in sorted(drawn))

    return ChangingSchedule(count, None, edges_of, lambda peer: (*range(peer), *range(peer + 1, count)))

"""Which sub-model each pair of neighbours exchanges, and with which weight: edges dealt so that each reaches all peers.

A sub-model's graph is thinner than the contract's, whose weights would mix it slowly: a mesh of ten gives each model a
tenth, and a sixth of its edges carries one. So each has Metropolis-Hastings weights of its own edges of the round.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from p2pfl_me.choice import derive_seed
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.density import MOST_EDGES
from p2pfl_me.topology.packing import Pair, connected_parts

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract
    from p2pfl_me.topology.schedule import Schedule


def require_parts(contract: Contract, schedule: Schedule) -> None:
    """Refuse a graph on which some sub-model would not reach everybody.

    Raises
    ------
    ContractError
        With the most sub-models that this graph carries.
    """
    if contract.privacy.exchange.parts_only:
        dealt_pairs(contract, schedule)


class Dealt:
    """The edges of a contract's schedule, each with its sub-model."""

    def __init__(self, contract: Contract, schedule: Schedule) -> None:
        self.part_of = dealt_pairs(contract, schedule)
        self._schedule = schedule
        self._degrees_of = lru_cache(maxsize=8)(self._degrees)

    def part(self, peer: int, other: int) -> int:
        """The sub-model of a pair."""
        return self.part_of[min(peer, other), max(peer, other)]

    def weight(self, peer: int, other: int, round: int) -> float:
        """W_ij of a pair that meets in a round, for the values that it exchanges."""
        period, part = self._schedule.period, self.part(peer, other)
        degrees = self._degrees_of(round % period if period else round)
        return 1.0 / (1 + max(degrees[peer, part], degrees[other, part]))

    def _degrees(self, round: int) -> Counter[tuple[int, int]]:
        """(peer, part) -> its edges of a round there."""
        found: Counter[tuple[int, int]] = Counter()
        for edge in self._schedule.edges(round):
            part = self.part_of[edge.a, edge.b]
            found.update(((edge.a, part), (edge.b, part)))
        return found


def dealt_pairs(contract: Contract, schedule: Schedule) -> Mapping[Pair, int]:
    """The sub-model of each pair that ever meets, (lower id, higher id) -> 0..parts-1; all peers compute the same.

    Raises
    ------
    ContractError
        As for `require_parts`.
    """
    parts = contract.privacy.exchange.part_count
    links = sum(len(schedule.neighbours(peer)) for peer in range(schedule.size)) // 2
    if links > MOST_EDGES:
        raise ContractError(
            f"{links:,} pairs meet on {contract.topology}, and sub-models are dealt to {MOST_EDGES:,} at most",
            where="privacy.exchange",
            fix="take a graph on which fewer meet (regular), or fewer peers",
        )
    pairs = tuple((peer, other) for peer in range(schedule.size) for other in schedule.neighbours(peer) if peer < other)
    seed = derive_seed(contract.seed, "submodels")
    if (found := _dealt(pairs, parts, seed)) is not None:
        return found
    present = {end for pair in pairs for end in pair}
    most = min(parts - 1, len(pairs) // max(1, len(present) - 1))
    while most > 1 and _dealt(pairs, most, seed) is None:
        most -= 1
    denser = f"take a graph with more links, such as regular of degree {2 * parts}"
    if parts > len(present) // 2:
        denser = f"take more peers: a mesh of {len(present)} carries {len(present) // 2}"
    raise ContractError(
        f"each of {parts} sub-models must reach all {len(present)} peers by edges of its own, and those of "
        f"{contract.topology} are enough for {most}",
        where="privacy.exchange",
        fix=f"write parts: {most}, or {denser}" if most > 1 else denser,
    )


@lru_cache(maxsize=8)
def _dealt(pairs: tuple[Pair, ...], parts: int, seed: int) -> dict[Pair, int] | None:
    return connected_parts(pairs, parts, seed)

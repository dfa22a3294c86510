"""Base-(k+1) graphs: for any number of peers, a short list of rounds after which everyone holds the exact mean.

Takezawa, Sato, Bao, Niwa, Yamada, "Beyond exponential graph: communication-efficient topologies for decentralized
learning via finite-time convergence", NeurIPS 2023. Nobody meets more than k others in a round, every round's W is
symmetric and doubly stochastic, and the product of a period's matrices is J / n. Edges only, no matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Literal

from p2pfl_me.choice import PositiveInt
from p2pfl_me.topology.kind import Pairs, Topology, Weigh
from p2pfl_me.topology.schedule import ChangingSchedule, Edge, Schedule

Weighted = tuple[int, int, float]
"""a < b and the weight that each gives the other."""
Round = tuple[Weighted, ...]


class Base(Topology):
    """The base-(k+1) graph: pairs change every round, and after one period all hold the exact mean. k = `meets`."""

    kind: Literal["base"]
    meets: PositiveInt = 2
    summary: ClassVar[str] = "base-(k+1): pairs change every round, exact mean after a short period; the most per byte"
    needs: ClassVar[str] = "any number of peers; meets (2) others a round at most; all must stay"
    ready_file: ClassVar[str] = "base3"
    changes: ClassVar[bool] = True
    own_weights: ClassVar[bool] = True

    @classmethod
    def example(cls, count: int) -> dict[str, Any]:
        return {"meets": 2}

    def asked_edges(self, count: int) -> tuple[str, float, float] | None:
        return "meets", self.meets, self.meets * count / 2

    def pairs(self, count: int) -> Pairs:
        return ((a, b) for round in base_graph(count, self.meets) for a, b, _ in round)

    def schedule(self, count: int, weigh: Weigh) -> Schedule:
        return base_schedule(count, self.meets)


def base_schedule(count: int, meets: int) -> ChangingSchedule:
    """The base-(k+1) graph for k = `meets`: exact consensus after one period."""
    rounds = [tuple(Edge(*edge) for edge in round) for round in base_graph(count, meets)] or [()]
    met: list[set[int]] = [set() for _ in range(count)]
    for edge in (edge for round in rounds for edge in round):
        met[edge.a].add(edge.b)
        met[edge.b].add(edge.a)
    sorted_met = [tuple(sorted(each)) for each in met]
    return ChangingSchedule(count, len(rounds), rounds.__getitem__, sorted_met.__getitem__)


@lru_cache(maxsize=32)
def base_graph(count: int, degree: int) -> tuple[Round, ...]:
    """The rounds of one period for peers 0..count-1 who meet at most `degree` others a round.

    At most 2 log_(k+1) n + 2 rounds for degree k (tested up to 100 peers and k = 4); edges of a round are sorted.
    """
    peers = range(count)
    simple = _simple(peers, degree + 1)
    smooth, rest = _split_off_smooth(count, degree + 1)
    if smooth > 1 and rest > 1:
        # `smooth` groups of `rest` peers reach their means at once; then those of equal place average across.
        groups = [peers[start : start + rest] for start in range(0, count, rest)]
        within = [_together(rounds) for rounds in zip(*(_simple(group, degree + 1) for group in groups), strict=True)]
        across = [peers[place::rest] for place in range(rest)]
        between = [_together(rounds) for rounds in zip(*(_hypercube(c, degree + 1) for c in across), strict=True)]
        if len(within) + len(between) < len(simple):
            simple = [*within, *between]
    return tuple(tuple(sorted(round)) for round in simple)


def _simple(peers: Sequence[int], base: int) -> list[list[Weighted]]:
    """The paper's Simple Base-(k+1) graph: a hyper-hypercube where n has no larger prime factor than k + 1.

    Otherwise, write n in the base k + 1 and cut the peers into one block a digit, a_l (k+1)^p_l each, largest first.
    All blocks reach their own means; then every later peer meets one of each of block l's a_l parts, which brings the
    later ones and block l to the overall mean on average; block l's parts settle among themselves while the next
    block's turn comes.
    """
    if _factors(len(peers), base) is not None:
        return _hypercube(peers, base)
    blocks = list(_blocks(peers, base))
    inside = [_hypercube([peer for part in block for peer in part], base) for block in blocks]
    first = len(inside[0])
    rounds: list[list[Weighted]] = [
        [edge for one in inside if at < len(one) for edge in one[at]] for at in range(first)
    ]
    if len(blocks) == 1:
        return rounds
    settling = [[_hypercube(part, base) for part in block] for block in blocks[:-1]]
    length = first + max(index + 1 + len(parts[0]) for index, parts in enumerate(settling))
    rounds += [[] for _ in range(length - first)]
    sizes = [sum(len(part) for part in block) for block in blocks]
    for index, parts in enumerate(settling):
        later = [peer for block in blocks[index + 1 :] for part in block for peer in part]
        weight = sizes[index] / (len(parts) * sum(sizes[index:]))
        meeting = rounds[first + index]
        for place, peer in enumerate(later):
            meeting += [_pair(part_of[place], peer, weight) for part_of in blocks[index]]
        for part in parts:
            for step, edges in enumerate(part):
                rounds[first + index + 1 + step] += edges
    return rounds


def _blocks(peers: Sequence[int], base: int) -> Iterator[list[Sequence[int]]]:
    """One block for each digit of n that is not 0, the highest first, as its parts of (k+1)^p peers."""
    power = 1
    while power * base <= len(peers):
        power *= base
    start = 0
    while power:
        digit = (len(peers) - start) // power
        if digit:
            yield [peers[start + part * power : start + (part + 1) * power] for part in range(digit)]
        start += digit * power
        power //= base


def _hypercube(peers: Sequence[int], base: int) -> list[list[Weighted]]:
    """The paper's k-peer hyper-hypercube: the exact mean in as many rounds as n has factors of at most k + 1."""
    factors = _factors(len(peers), base)
    assert factors is not None, "a digit times a power of the base has no larger factor"
    rounds, stride = [], 1
    for factor in factors:
        rounds.append(
            [
                _pair(peers[low], peers[low + step * stride], 1 / factor)
                for low in range(len(peers))
                for step in range(1, factor - low // stride % factor)
            ]
        )
        stride *= factor
    return rounds


@lru_cache(maxsize=4096)
def _factors(number: int, largest: int) -> tuple[int, ...] | None:
    """The fewest factors of at most `largest` whose product is `number`; None where there are none."""
    if number == 1:
        return ()
    best: tuple[int, ...] | None = None
    for factor in range(min(largest, number), 1, -1):
        if number % factor == 0 and (others := _factors(number // factor, factor)) is not None:
            found = (factor, *others)
            best = found if best is None or len(found) < len(best) else best
    return best


def _split_off_smooth(number: int, largest: int) -> tuple[int, int]:
    """number = p q with p the largest divisor whose prime factors are all at most `largest`."""
    rest = number
    for factor in range(2, largest + 1):
        while rest % factor == 0:
            rest //= factor
    return number // rest, rest


def _together(rounds: Sequence[list[Weighted]]) -> list[Weighted]:
    return [edge for round in rounds for edge in round]


def _pair(a: int, b: int, weight: float) -> Weighted:
    return (a, b, weight) if a < b else (b, a, weight)

"""The random kinds of graphs, drawn so that every peer draws the same one.

All peers compute the graph for themselves from the contract, so the draw may not depend on a library's version:
only `random.Random(seed).random()` is used, whose sequence Python promises to keep.
"""

from __future__ import annotations

import math
from random import Random

Pair = tuple[int, int]


def erdos_renyi(count: int, probability: float, rng: Random) -> set[Pair]:
    """Each of the count (count - 1) / 2 pairs is an edge with the same probability, independently.

    Walks from edge to edge by geometric steps (Batagelj and Brandes, 2005), in time linear in the edges.
    """
    if probability >= 1:
        return {(low, high) for high in range(count) for low in range(high)}
    edges: set[Pair] = set()
    if probability <= 0:
        return edges
    scale = math.log1p(-probability)
    low, high = -1, 1
    while high < count:
        low += 1 + int(min(math.log1p(-rng.random()) / scale, count**2))
        while high < count and low >= high:
            low -= high
            high += 1
        if high < count:
            edges.add((low, high))
    return edges


def watts_strogatz(count: int, neighbours: int, rewire: float, rng: Random) -> set[Pair]:
    """A circle where each peer knows its `neighbours` (even) nearest; an edge's far end moves with chance `rewire`."""
    adjacent: list[set[int]] = [set() for _ in range(count)]
    for step in range(1, neighbours // 2 + 1):
        for peer in range(count):
            _link(adjacent, peer, (peer + step) % count)
    for step in range(1, neighbours // 2 + 1):
        for peer in range(count):
            if rng.random() >= rewire or len(adjacent[peer]) >= count - 1:
                continue
            other = _index(rng, count)
            while other == peer or other in adjacent[peer]:
                other = _index(rng, count)
            old = (peer + step) % count
            adjacent[peer].discard(old)
            adjacent[old].discard(peer)
            _link(adjacent, peer, other)
    return {(peer, other) for peer, others in enumerate(adjacent) for other in others if peer < other}


def random_regular(count: int, degree: int, rng: Random) -> set[Pair]:
    """Every peer has `degree` neighbours (Steger and Wormald, 1999: pair free ends, draw the unfit ones again).

    `count * degree` must be even and `degree` below `count`. Dense graphs are drawn as complements of sparse ones,
    where pairing seldom gets stuck.
    """
    if 2 * degree >= count:
        absent = random_regular(count, count - 1 - degree, rng) if degree < count - 1 else set()
        return {(low, high) for high in range(count) for low in range(high)} - absent
    while True:
        edges = _paired(count, degree, rng)
        if edges is not None:
            return edges


def _paired(count: int, degree: int, rng: Random) -> set[Pair] | None:
    edges: set[Pair] = set()
    ends = [peer for peer in range(count) for _ in range(degree)]
    while ends:
        _shuffle(ends, rng)
        unfit: list[int] = []
        for a, b in zip(ends[::2], ends[1::2], strict=True):
            pair = (min(a, b), max(a, b))
            if a == b or pair in edges:
                unfit += pair
            else:
                edges.add(pair)
        if unfit and not _fits(set(unfit), edges):
            return None
        ends = unfit
    return edges


def _fits(free: set[int], edges: set[Pair]) -> bool:
    """Whether some two peers with free ends are not linked yet."""
    return any((low, high) not in edges for low in free for high in free if low < high)


def _link(adjacent: list[set[int]], a: int, b: int) -> None:
    adjacent[a].add(b)
    adjacent[b].add(a)


def _index(rng: Random, count: int) -> int:
    return int(rng.random() * count)


def _shuffle(items: list[int], rng: Random) -> None:
    for last in range(len(items) - 1, 0, -1):
        other = _index(rng, last + 1)
        items[last], items[other] = items[other], items[last]

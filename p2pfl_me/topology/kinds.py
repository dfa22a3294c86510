"""The kinds of topologies in a user's words, and the values with which a new contract of a kind begins.

No graph is built here; `graph.py` does that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from p2pfl_me.topology.graph import nearest_square

DEFAULT_COUNT = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: a line on what it is, a line on what it needs, and its first values for a number of peers.

    `file` names its ready contract where that is not the kind itself; `protocol` is what a new contract exchanges by.
    """

    summary: str
    needs: str
    values: Callable[[int], dict[str, Any]] = lambda count: {}
    count: int = DEFAULT_COUNT
    file: str | None = None
    protocol: str = "dpsgd"


def _torus(count: int) -> dict[str, Any]:
    rows, columns = nearest_square(count)
    return {"rows": rows, "columns": columns}


def _two_circles(count: int) -> dict[str, Any]:
    """Two halves, each a circle, with two bridges: the shape of two groups of labs."""
    half = count // 2
    first, second = list(range(half)), list(range(half, count))
    bridges = [(first[0], second[0]), (first[half // 2], second[len(second) // 2])] if half else []
    pairs = {(min(pair), max(pair)) for pair in [*_circle(first), *_circle(second), *bridges]}
    return {"edges": [list(pair) for pair in sorted(pairs)]}


def _circle(peers: list[int]) -> list[tuple[int, int]]:
    turned = [*peers[1:], *peers[:1]]
    return [pair for pair in zip(peers, turned, strict=True) if pair[0] != pair[1]]


ALL: dict[str, Kind] = {
    "ring": Kind("a closed chain: two neighbours each, the slowest common graph", "any number of peers"),
    "mesh": Kind("all are neighbours: exact consensus in one round, n - 1 models sent each", "any number of peers"),
    "random": Kind(
        "each pair linked by chance (Erdos-Renyi), drawn until connected",
        "any number; probability (2 ln n / n), seed (0)",
        lambda count: {"seed": 0},
    ),
    "line": Kind("an open chain: the worst connected graph", "any number of peers"),
    "star": Kind("one peer in the middle: what a server would see", "any number; center (0)"),
    "torus": Kind(
        "a grid whose borders meet: four neighbours each (three where a side is 2)", "rows * columns = peers", _torus
    ),
    "small_world": Kind(
        "a circle with a few long links (Watts-Strogatz), drawn until connected",
        "3 or more; neighbours (4, even), rewire (0.3), seed (0)",
        lambda count: {"neighbours": 4, "rewire": 0.3, "seed": 0},
    ),
    "regular": Kind(
        "random links, the same number for all, drawn until connected",
        "degree (4) * peers even; seed (0)",
        lambda count: {"degree": 4, "seed": 0},
    ),
    "hypercube": Kind("neighbours differ in one bit of their ids: log2 n each", "2^m peers", count=8),
    "exponential": Kind("peer i knows i + 1, 2, 4, ...: about 2 log2 n each, fast for any n", "any number of peers"),
    "base": Kind(
        "base-(k+1): pairs change every round, exact mean after a short period; the most per byte",
        "any number of peers; meets (2) others a round at most; all must stay",
        lambda count: {"meets": 2},
        file="base3",
    ),
    "epidemic": Kind(
        "epidemic learning: every round a new random regular graph; stands coming and going",
        "meets (2) others a round, meets * peers even; seed (0)",
        lambda count: {"meets": min(2, max(1, count - 1)), "seed": 0},
    ),
    "epidemic_local": Kind(
        "epidemic learning where each draws its own receivers; directed",
        "sends (2) models a round; seed (0); protocol push_sum",
        lambda count: {"sends": min(2, max(1, count - 1)), "seed": 0},
        protocol="push_sum",
    ),
    "one_peer_exponential": Kind(
        "peer i sends to i + 1, then + 2, + 4, ...; exact mean after log2 n rounds for n = 2^m; directed",
        "any number of peers; protocol push_sum; all must stay",
        protocol="push_sum",
    ),
    "equi_static": Kind(
        "random distances around a circle (EquiTopo): mixes as fast for any n",
        "any number; shifts (ceil(log2 n)), directed (false; true needs protocol push_sum), seed (0)",
        lambda count: {"seed": 0},
    ),
    "equi_dynamic": Kind(
        "pairs at one random distance around a circle, another every round (EquiTopo, one peer)",
        "any number; shifts to draw from (all), directed (false; true needs protocol push_sum), seed (0)",
        lambda count: {"seed": 0},
    ),
    "edges": Kind("your own list of edges", "edges: [[a, b], ...], connected", _two_circles),
}
"""Every kind of the contract by its name, in the order in which they are listed."""

"""Pairs of peers that several kinds of graphs are made of, and draws of connected ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from random import Random

import networkx as nx

from p2pfl_me.choice import derive_seed
from p2pfl_me.errors import ContractError
from p2pfl_me.topology.kind import Pairs

DRAWS = 500
"""How many draws of a random kind are tried for a connected one."""


def circulant(count: int, steps: Iterable[int]) -> Pairs:
    """Peer i is linked with i + step (mod count) for every step."""
    pairs = ((peer, (peer + step) % count) for step in steps for peer in range(count))
    return (pair for pair in pairs if pair[0] != pair[1])


def connected_draw(
    draw: Callable[[Random], set[tuple[int, int]]], count: int, seed: int, kind: str, how: str, fix: str
) -> Pairs:
    """The first connected one among DRAWS draws, each from its own stream.

    Raises
    ------
    ContractError
        None was; `how` it was drawn and the `fix` are told.
    """
    for attempt in range(DRAWS):
        graph = nx.empty_graph(count)
        graph.add_edges_from(draw(Random(derive_seed(seed, "topology", kind, attempt))))
        if nx.is_connected(graph):
            return sorted(graph.edges)
    raise ContractError(f"none of {DRAWS} draws {how} joins all {count} peers", where="topology", fix=fix)


def nearest_square(count: int) -> tuple[int, int]:
    """Rows and columns with rows * columns == count, rows <= columns, as near to a square as there is."""
    rows = next(rows for rows in range(math.isqrt(count), 0, -1) if count % rows == 0)
    return rows, count // rows


def ids(peers: Iterable[int]) -> str:
    """`0..4, 7`: sorted ids with runs joined."""
    runs: list[list[int]] = []
    for peer in peers:
        if runs and runs[-1][1] == peer - 1:
            runs[-1][1] = peer
        else:
            runs.append([peer, peer])
    words = [str(a) if a == b else f"{a}, {b}" if b == a + 1 else f"{a}..{b}" for a, b in runs]
    return ", ".join(words if len(words) <= 12 else [*words[:12], "..."])


def named(peers: Sequence[int]) -> str:
    """`peer 7`, or `peers 0..4, 7`."""
    return f"{'peer' if len(peers) == 1 else 'peers'} {ids(peers)}"

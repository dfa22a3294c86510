"""Refuses graphs of more edges than everyone can hold, before any is drawn: only a complete graph needs no list."""

from __future__ import annotations

import math

from p2pfl_me.errors import ContractError
from p2pfl_me.topology.kind import Topology

MOST_EDGES = 1_000_000
"""About ten seconds and half a gigabyte, in every process that builds the graph."""


def require_few_edges(topology: Topology, count: int) -> None:
    """Refuse a topology whose options ask for more than MOST_EDGES edges at once.

    Raises
    ------
    ContractError
        With the largest value of the option that works for this number of peers.
    """
    if (asked := topology.asked_edges(count)) is None:
        return
    key, value, edges = asked
    if min(edges, count * (count - 1) / 2) <= MOST_EDGES:
        return
    fits = value * MOST_EDGES / edges
    # Rounded down; degrees and neighbours to an even number, which every count of peers takes.
    most = f"{math.floor(fits * 1e4) / 1e4:g}" if key == "probability" else str(math.floor(fits) // 2 * 2)
    raise ContractError(
        f"{key} {value:g} makes {edges:,.0f} edges of {count} peers, and more than {MOST_EDGES:,} are not built",
        where=f"topology.{key}",
        fix=f"at most {most} works, or kind: mesh, whose edges need no list",
    )

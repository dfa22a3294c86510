"""Refuses graphs of more edges than everyone can hold, before any is drawn: only a complete graph needs no list."""

from __future__ import annotations

import math

from p2pfl_me.contract import model
from p2pfl_me.errors import ContractError

MOST_EDGES = 1_000_000
"""About ten seconds and half a gigabyte, in every process that builds the graph."""


def require_few_edges(topology: model.Topology, count: int) -> None:
    """Refuse a topology whose options ask for more than MOST_EDGES edges at once.

    Raises
    ------
    ContractError
        With the largest value of the option that works for this number of peers.
    """
    match topology:
        case model.Random(probability=float(value)):
            key, edges = "probability", value * count * (count - 1) / 2
        case model.SmallWorld(neighbours=value):
            key, edges = "neighbours", value * count / 2
        case model.Regular(degree=value):
            key, edges = "degree", value * count / 2
        case model.Base(meets=value) | model.Epidemic(meets=value):
            key, edges = "meets", value * count / 2
        case model.EquiStatic(shifts=int(value)):
            key, edges = "shifts", value * count
        case _:
            return
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

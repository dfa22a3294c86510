"""How many liars can cut the honest peers of a graph apart: what no aggregation rule makes up for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from p2pfl_me.topology.graph import graph_of

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract

LOOKED_AT = 128
"""Peers up to which the connectivity is computed; it takes seconds from here on."""
FEW = 2
"""Liars that a swarm should stand: where so many can cut it, whoever starts it is told."""


def cutting_liars(contract: Contract) -> int | None:
    """The vertex connectivity of all links: so many liars, well placed, cut honest peers off from each other.

    None where it is not known: of a very large graph, of one peer, and of a mesh, which nobody can cut.
    """
    count = len(contract.peers.present)
    if not 2 < count <= LOOKED_AT:
        return None
    found = int(nx.node_connectivity(graph_of(contract)))
    return found if found < count - 1 else None


def cut_remark(contract: Contract) -> str | None:
    """In words, where the contract has a rule against liars."""
    rule = contract.gossip.aggregation
    if rule.follows_w or (liars := cutting_liars(contract)) is None:
        return None
    who = "1 liar" if liars == 1 else f"{liars} liars"
    return (
        f"{who} in the wrong places can cut this graph's honest peers apart; aggregation {rule} helps none of them to "
        "what lies beyond"
    )


def cut_warning(contract: Contract) -> str | None:
    """The same with what to do, where few liars suffice."""
    remark = cut_remark(contract)
    few = remark is not None and (cutting_liars(contract) or 0) <= FEW
    return f"{remark}; take a graph with more links, as regular with degree 4, or mesh" if few else None

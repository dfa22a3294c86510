"""From a kind of graph to a networkx graph of peers 0..n-1, or a refusal that says what would work.

The graph carries what its drawing needs (`placing`, marks) as graph attributes. Weights, rounds and figures live next
door, each kind's pairs in `graphs/`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from p2pfl_me.errors import ContractError
from p2pfl_me.topology.kind import Topology
from p2pfl_me.topology.pairs import ids

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract


def build_graph(topology: Topology, count: int) -> nx.Graph:
    """The undirected, connected graph that `topology` describes on peers 0..count-1, without self loops.

    Of a kind that changes from round to round, everyone who ever meets is linked; of a directed one, everyone who ever
    sends to the other.

    Raises
    ------
    ContractError
        No such graph exists for this number of peers, an edge names a peer that is not there, or the graph falls
        apart into components (which are named).
    """
    graph = nx.Graph(kind=topology.kind, placing=topology.placing, **topology.marks)
    graph.add_nodes_from(range(count))
    try:
        graph.add_edges_from(topology.pairs(count))
    except (TypeError, nx.NetworkXError) as error:
        raise _no_pairs(topology, f"are none: {error}") from error
    if strangers := graph.nodes - set(range(count)):
        raise _no_pairs(topology, f"name {min(map(repr, strangers))}, and peers are 0..{count - 1}")
    if looped := list(nx.nodes_with_selfloops(graph)):
        raise _no_pairs(topology, f"link peer {min(looped)} to itself")
    _require_connected(graph)
    return graph


def _no_pairs(topology: Topology, how: str) -> ContractError:
    """Of a kind that is declared and whose `pairs` are not what they should be."""
    return ContractError(
        f"topology {topology.kind}: its pairs {how}",
        where=type(topology).__module__,
        fix="let `pairs` give (a, b) of two peers that meet",
    )


def graph_of(contract: Contract) -> nx.Graph:
    """The graph of those who take part in a contract, on their ranks; `graph["ids"]` are their ids, in this order.

    Raises
    ------
    ContractError
        As `build_graph`.
    """
    present = contract.peers.present
    graph = build_graph(contract.topology.among(present), len(present))
    graph.graph["ids"] = present
    return graph


def _require_connected(graph: nx.Graph) -> None:
    components = sorted(nx.connected_components(graph), key=min)
    if len(components) == 1:
        return
    shown = ["{" + ids(sorted(component)) + "}" for component in components[:8]]
    if len(components) > 8:
        shown.append(f"and {len(components) - 8} more")
    bridge = [min(components[0]), min(components[1])]
    raise ContractError(
        f"the graph is not connected: it falls into {len(components)} parts, {', '.join(shown)}",
        where="topology",
        fix=f"link the parts, for example by the edge {bridge}",
    )

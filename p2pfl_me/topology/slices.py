"""Whether peers of different widths can agree: the holders of every slice must be connected among themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from p2pfl_me.errors import ContractError
from p2pfl_me.topology.schedule import Schedule

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract


def require_connected_slices(contract: Contract, schedule: Schedule) -> None:
    """Refuse widths under which some coordinates would be learned by groups that never hear of each other.

    Raises
    ------
    ContractError
        With the groups, and the peer that would join them if it were wider.
    """
    widths = {peer: contract.peers.width(peer) for peer in contract.peers.present}
    graph = nx.Graph((peer, other) for peer in widths for other in schedule.neighbours(peer))
    graph.add_nodes_from(widths)
    for level in sorted(set(widths.values())):
        holders = [peer for peer, width in widths.items() if width >= level]
        parts = sorted(sorted(part) for part in nx.connected_components(graph.subgraph(holders)))
        if len(parts) == 1:
            continue
        path = nx.shortest_path(graph, parts[0][0], parts[1][0])
        narrow = ", ".join(str(peer) for peer in path if widths[peer] < level)
        groups = " and ".join("{" + ", ".join(map(str, part)) + "}" for part in parts)
        raise ContractError(
            f"the peers of width {level:g} or more are not connected without narrower ones: {groups}",
            where="peers.widths",
            fix=f"give peer {narrow} width {level:g}, or take a graph with more edges (topology: {{kind: mesh}})",
        )

"""Graphs for the tests of this room: random connected ones, and any kind of the contract by name."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter

from p2pfl_me.contract.model import Contract, Topology
from p2pfl_me.topology import DirectedSchedule, StaticSchedule, build_graph

_TOPOLOGY: TypeAdapter[Any] = TypeAdapter(Topology)


def topology(kind: str, **values: Any) -> Any:
    """The contract's `topology` section."""
    return _TOPOLOGY.validate_python({"kind": kind, **values})


def graph_of(kind: str, count: int, **values: Any) -> nx.Graph:
    return build_graph(topology(kind, **values), count)


def schedule(kind: str, count: int, **values: Any) -> StaticSchedule:
    return StaticSchedule(graph_of(kind, count, **values))


@st.composite
def connected_graphs(draw: st.DrawFn, most: int = 12) -> nx.Graph:
    """A random tree with random further edges."""
    count = draw(st.integers(1, most))
    graph = nx.empty_graph(count)
    graph.add_edges_from((peer, draw(st.integers(0, peer - 1))) for peer in range(1, count))
    pairs = [(low, high) for high in range(count) for low in range(high)]
    if pairs:
        graph.add_edges_from(draw(st.lists(st.sampled_from(pairs), max_size=2 * count)))
    return graph


def contract_of(kind: str, count: int, **values: Any) -> Contract:
    return Contract.model_validate(
        {
            "version": 1,
            "name": "drawn",
            "topology": {"kind": kind, **values},
            "peers": {"loopback": {"count": count}},
        }
    )


def push_matrix(schedule: DirectedSchedule, round: int = 0) -> NDArray[np.float64]:
    """W of one round, float64 (n, n), a column a sender: what push-sum does to the mass."""
    matrix = np.eye(schedule.size)
    for arc in schedule.arcs(round):
        matrix[arc.receiver, arc.sender] += arc.weight
        matrix[arc.sender, arc.sender] -= arc.weight
    return matrix

"""How many liars cut a graph's honest peers apart, against removing every set of peers of small graphs."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.topology import build_graph
from p2pfl_me.topology.cut import cut_remark, cut_warning, cutting_liars
from p2pfl_me.topology.summary import as_text, summarise


def contract(topology: str, count: int, aggregation: str = "mean") -> Contract:
    return contract_from_yaml(
        f"version: 1\nname: t\ntopology: {topology}\npeers: {{loopback: {{count: {count}}}}}\n"
        f"gossip: {{aggregation: {aggregation}}}\n"
    )


@pytest.mark.parametrize(
    "topology",
    [
        "{kind: ring}",
        "{kind: line}",
        "{kind: star}",
        "{kind: regular, degree: 3}",
        "{kind: exponential}",
        "{kind: mesh}",
    ],
)
def test_it_is_the_fewest_whose_leaving_cuts_the_rest(topology: str) -> None:
    for count in (4, 6, 8):
        graph = build_graph(contract(topology, count).topology, count)
        cutting = [
            size
            for size in range(1, count - 1)
            for liars in combinations(graph.nodes, size)
            if not nx.is_connected(graph.subgraph(graph.nodes - set(liars)))
        ]
        assert cutting_liars(contract(topology, count)) == min(cutting, default=None)


def test_who_takes_a_rule_against_liars_on_a_ring_is_told() -> None:
    ring, regular, mesh = (
        contract(topology, 10, "nna") for topology in ("{kind: ring}", "{kind: regular, degree: 4}", "{kind: mesh}")
    )
    warning = cut_warning(ring)
    assert warning is not None and "2 liars" in warning and "nna" in warning and "regular" in warning
    assert cut_warning(regular) is None and "3 liars" in str(cut_remark(regular))
    assert cut_warning(mesh) is None and cut_remark(mesh) is None
    assert cut_warning(contract("{kind: ring}", 10)) is None, "the plain mean stands nobody anyway"
    assert "2 liars" in as_text(summarise(ring)) and "liars" not in as_text(summarise(contract("{kind: ring}", 10)))
    assert cutting_liars(contract("{kind: line}", 3)) == 1
    assert cutting_liars(contract("{kind: ring}", 2)) is None and cutting_liars(contract("{kind: ring}", 500)) is None

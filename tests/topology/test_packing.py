"""Edges dealt to parts that each connect everybody: found wherever the theorem says that they exist."""

from __future__ import annotations

from functools import cache

import networkx as nx
import pytest

from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import schedule_of, submodels
from p2pfl_me.topology.packing import Pair, connected_parts
from p2pfl_me.topology.submodels import dealt_pairs


def pairs(graph: nx.Graph) -> list[Pair]:
    return [(min(pair), max(pair)) for pair in graph.edges]


@cache
def groupings(count: int) -> list[tuple[int, ...]]:
    """Every way to split peers into groups: each one's group, groups numbered as they come."""
    if not count:
        return [()]
    return [(*rest, group) for rest in groupings(count - 1) for group in range(max(rest, default=-1) + 2)]


def trees_that_exist(graph: nx.Graph) -> int:
    """Nash-Williams and Tutte: the least, over all groupings, of the edges between groups for each group but one."""
    most = graph.number_of_edges()
    for group_of in groupings(len(graph)):
        between = sum(group_of[a] != group_of[b] for a, b in graph.edges)
        most = min(most, between // max(group_of)) if max(group_of) else most
    return most


def test_on_every_graph_of_five_peers_and_dense_ones_of_six_as_many_parts_connect_all_as_there_can_be() -> None:
    every = [graph for graph in nx.graph_atlas_g()[2:209] if nx.is_connected(graph)]
    graphs = [graph for graph in every if len(graph) <= 5 or graph.number_of_edges() >= 11]
    assert len(graphs) == 48
    for seed, graph in enumerate(graphs):
        most = trees_that_exist(graph)
        assert connected_parts(pairs(graph), most + 1, seed) is None
        for parts in range(1, most + 1):
            found = connected_parts(pairs(graph), parts, seed)
            assert found is not None and sorted(found) == sorted(pairs(graph))
            assert found == connected_parts(reversed(pairs(graph)), parts, seed), "in whatever order they come"
            for part in range(parts):
                own = nx.Graph(pair for pair, its in found.items() if its == part)
                assert len(own) == len(graph) and nx.is_connected(own)


@pytest.mark.parametrize(("degree", "count", "parts"), [(4, 40, 2), (6, 60, 3), (29, 30, 15)])
def test_larger_graphs_are_dealt_to_the_last_edge(degree: int, count: int, parts: int) -> None:
    graph = nx.random_regular_graph(degree, count, seed=1)
    found = connected_parts(pairs(graph), parts, 1)
    assert found is not None and set(found.values()) == set(range(parts))
    sizes = [sum(its == part for its in found.values()) for part in range(parts)]
    assert min(sizes) >= count - 1 and sum(sizes) == degree * count // 2
    assert found != connected_parts(pairs(graph), parts, 2), "another seed, other parts"


@pytest.mark.parametrize(
    ("topology", "parts", "says"),
    [
        ("{kind: ring}", 2, "regular of degree 4"),
        ("{kind: star}", 2, "regular of degree 4"),
        ("{kind: regular, degree: 4}", 3, "write parts: 2, or take a graph with more links"),
        ("{kind: mesh}", 6, "write parts: 5, or take more peers: a mesh of 10 carries 5"),
        ("{kind: epidemic, meets: 2}", 6, "write parts: 5"),
    ],
)
def test_a_graph_that_carries_fewer_is_refused_with_what_it_carries(topology: str, parts: int, says: str) -> None:
    exchange = f"privacy.exchange={{kind: submodels, parts: {parts}}}"
    text = f"version: 1\nname: t\ntopology: {topology}\npeers: {{loopback: {{count: 10}}}}\n"
    with pytest.raises(ContractError) as caught:
        schedule_of(contract_from_yaml(text, overrides=[exchange]))
    assert says in caught.value.fix and caught.value.where == "privacy.exchange"


def test_a_changing_graph_is_dealt_by_all_who_ever_meet() -> None:
    text = "version: 1\nname: t\ntopology: {kind: epidemic, meets: 2}\npeers: {loopback: {count: 8}}\n"
    agreed = contract_from_yaml(text, overrides=["privacy.exchange={kind: submodels, parts: 4}"])
    schedule = schedule_of(agreed)
    found = dealt_pairs(agreed, schedule)
    assert len(found) == 28 and set(found.values()) == {0, 1, 2, 3}
    assert all((edge.a, edge.b) in found for round in range(20) for edge in schedule.edges(round))


def test_more_pairs_than_the_limit_are_refused_and_as_many_are_dealt(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "version: 1\nname: t\ntopology: {kind: epidemic, meets: 2}\npeers: {loopback: {count: 8}}\n"
    agreed = contract_from_yaml(text, overrides=["privacy.exchange={kind: submodels, parts: 4}"])
    schedule = schedule_of(agreed)
    monkeypatch.setattr(submodels, "MOST_EDGES", 28)
    assert len(dealt_pairs(agreed, schedule)) == 28
    monkeypatch.setattr(submodels, "MOST_EDGES", 27)
    with pytest.raises(ContractError, match=r"28 pairs meet on epidemic.*to 27 at most") as caught:
        dealt_pairs(agreed, schedule)
    assert caught.value.where == "privacy.exchange" and "fewer" in caught.value.fix


@pytest.mark.parametrize(
    ("graph", "parts", "dealt"),
    [
        (nx.complete_graph(9), 3, "020210212120211010210022210112100002"),
        (nx.circulant_graph(11, [1, 2, 3]), 2, "010011010111001011110001100110000"),
    ],
    ids=["mesh", "circle"],
)
def test_peers_of_other_versions_deal_the_same_edges_to_the_same_parts(graph: nx.Graph, parts: int, dealt: str) -> None:
    found = connected_parts(pairs(graph), parts, 5)
    assert found is not None and "".join(str(found[pair]) for pair in sorted(found)) == dealt

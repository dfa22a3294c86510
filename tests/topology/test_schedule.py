"""The seam between topologies and protocols: each peer's row agrees with the edges and with W."""

from __future__ import annotations

import tracemalloc

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.topology import CompleteSchedule, Schedule, StaticSchedule, mixing_matrix, schedule_of
from tests.topology.drawing import connected_graphs, contract_of


@given(connected_graphs(), st.integers(0, 1000))
def test_rows_edges_and_matrix_tell_the_same(graph: nx.Graph, round: int) -> None:
    schedule: Schedule = StaticSchedule(graph)
    assert schedule.size == len(graph)
    assert schedule.period == 1
    matrix = mixing_matrix(schedule, round)
    edges = schedule.edges(round)
    assert [(edge.a, edge.b) for edge in edges] == sorted(tuple(sorted(pair)) for pair in graph.edges)
    assert all(matrix[edge.a, edge.b] == edge.weight for edge in edges)
    for peer in range(schedule.size):
        weights = schedule.weights(peer, round)
        assert list(weights) == sorted(graph.neighbors(peer)) == list(schedule.neighbours(peer))
        assert all(matrix[peer, other] == weight for other, weight in weights.items())
        assert peer not in weights
        np.testing.assert_allclose(1 - sum(weights.values()), matrix[peer, peer], atol=1e-15)


def test_a_row_cannot_be_changed_by_who_reads_it() -> None:
    row = StaticSchedule(nx.cycle_graph(4)).weights(0, 0)
    with pytest.raises(TypeError):
        row[1] = 0.9  # type: ignore[index]


@pytest.mark.parametrize("peer", [-1, 3, 10**9])
def test_a_peer_outside_the_graph_is_refused(peer: int) -> None:
    schedule = StaticSchedule(nx.cycle_graph(3))
    for ask in (lambda: schedule.neighbours(peer), lambda: schedule.weights(peer, 0)):
        with pytest.raises(ContractError, match=r"ids are 0\.\.2"):
            ask()


def test_a_graph_with_other_names_is_refused() -> None:
    with pytest.raises(ValueError, match=r"peers are 0\.\.2"):
        StaticSchedule(nx.Graph([(1, 2), (2, 3)]))


def test_the_schedule_of_a_contract_has_its_peers() -> None:
    text = "version: 1\nname: s\ntopology: {kind: star, center: 2}\npeers: {loopback: {count: 5}}\n"
    schedule = schedule_of(contract_from_yaml(text))
    assert schedule.neighbours(2) == (0, 1, 3, 4)
    assert schedule.weights(0, 0) == {2: 1 / 5}


def test_a_single_peer_has_no_neighbours() -> None:
    schedule = StaticSchedule(nx.empty_graph(1))
    assert schedule.edges(0) == ()
    assert schedule.weights(0, 0) == {}


@pytest.mark.few(10)
@pytest.mark.parametrize("count", [*range(1, 40), 97])
def test_a_mesh_without_a_graph_has_the_bits_of_metropolis_hastings(count: int) -> None:
    graph, schedule = StaticSchedule(nx.complete_graph(count)), schedule_of(contract_of("mesh", count))
    assert isinstance(schedule, CompleteSchedule)
    assert (schedule.size, schedule.period, schedule.edges(3)) == (graph.size, graph.period, graph.edges(3))
    for peer in range(count):
        assert list(schedule.weights(peer, 1).items()) == list(graph.weights(peer, 1).items())
        assert schedule.neighbours(peer) == graph.neighbours(peer)
    with pytest.raises(ContractError, match=rf"ids are 0\.\.{count - 1}"):
        schedule.weights(count, 0)
    assert not {0, -1, count} & schedule.weights(0, 0).keys()


def test_a_mesh_of_thousands_holds_no_edge() -> None:
    tracemalloc.start()
    schedule = schedule_of(contract_of("mesh", 10_000))
    assert len(schedule.weights(17, 0)) == len(schedule.neighbours(17)) == 9_999
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4_000_000


@pytest.mark.parametrize(
    ("kind", "key", "value", "most"),
    [
        ("random", "probability", 0.5, "at most 0.02 "),
        ("small_world", "neighbours", 202, "at most 200 "),
        ("regular", "degree", 9_998, "at most 200 "),
        ("base", "meets", 5_000, "at most 200 "),
        ("epidemic", "meets", 2_000, "at most 200 "),
        ("equi_static", "shifts", 101, "at most 100 "),
    ],
)
def test_more_edges_than_can_be_built_are_refused_with_what_works(kind: str, key: str, value: float, most: str) -> None:
    with pytest.raises(ContractError, match=most) as caught:
        schedule_of(contract_of(kind, 10_000, **{key: value}))
    assert caught.value.where == f"topology.{key}"
    assert "mesh" in caught.value.fix


@pytest.mark.thorough
def test_small_graphs_may_be_as_dense_as_they_like() -> None:
    assert len(schedule_of(contract_of("random", 300, probability=1)).edges(0)) == 300 * 299 // 2
    with pytest.raises(ContractError, match=r"at most 9$"):
        schedule_of(contract_of("regular", 10, degree=5_000_000))

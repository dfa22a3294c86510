"""The invariants of averaging: W is symmetric and doubly stochastic, whatever the graph and whatever fails."""

from __future__ import annotations

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.topology import StaticSchedule, drop_edges, metropolis_hastings, mixing_matrix
from p2pfl_me.topology.mixing import Matrix
from tests.topology.drawing import connected_graphs


def assert_doubly_stochastic(matrix: Matrix) -> None:
    assert np.array_equal(matrix, matrix.T)
    assert np.all(matrix >= 0)
    assert np.all(matrix.diagonal() > 0)
    np.testing.assert_allclose(matrix.sum(0), 1, rtol=0, atol=1e-14)
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=0, atol=1e-14)


def test_metropolis_hastings_by_hand() -> None:
    graph = nx.Graph([(0, 1), (1, 2), (1, 3), (3, 2)])
    assert metropolis_hastings(graph) == {(0, 1): 1 / 4, (1, 2): 1 / 4, (1, 3): 1 / 4, (2, 3): 1 / 3}
    assert list(metropolis_hastings(graph)) == [(0, 1), (1, 2), (1, 3), (2, 3)]


@given(connected_graphs())
def test_w_is_symmetric_and_doubly_stochastic_on_the_edges_of_the_graph(graph: nx.Graph) -> None:
    matrix = mixing_matrix(StaticSchedule(graph))
    assert_doubly_stochastic(matrix)
    off = matrix - np.diag(matrix.diagonal())
    assert np.array_equal(off > 0, nx.to_numpy_array(graph, nodelist=range(len(graph))) > 0)


@given(connected_graphs(), st.data())
def test_w_stays_doubly_stochastic_under_any_set_of_failed_edges(graph: nx.Graph, data: st.DataObject) -> None:
    edges = [*graph.edges, *((b, a) for a, b in graph.edges), (0, 0)]
    failed = data.draw(st.lists(st.sampled_from(edges)))
    before = mixing_matrix(StaticSchedule(graph))
    kept = before.copy()
    after = drop_edges(before, failed)
    assert np.array_equal(before, kept)
    assert_doubly_stochastic(after)
    lost = {(min(pair), max(pair)) for pair in failed}
    for a, b in graph.edges:
        gone = (min(a, b), max(a, b)) in lost
        assert after[a, b] == (0 if gone else before[a, b])


@given(connected_graphs(), st.data())
def test_the_average_of_the_models_is_conserved_when_edges_fail(graph: nx.Graph, data: st.DataObject) -> None:
    failed = data.draw(st.lists(st.sampled_from([*graph.edges, (0, 0)])))
    models = np.random.default_rng(0).normal(size=(len(graph), 5))
    mixed = drop_edges(mixing_matrix(StaticSchedule(graph)), failed) @ models
    np.testing.assert_allclose(mixed.mean(0), models.mean(0), atol=1e-12)


def test_an_edge_that_fails_on_one_side_only_would_move_the_average() -> None:
    """Why the loss rule needs both ends."""
    matrix = mixing_matrix(StaticSchedule(nx.cycle_graph(4)))
    matrix[0, 0] += matrix[0, 1]
    matrix[0, 1] = 0
    models = np.array([1.0, 0, 0, 0])
    assert (matrix @ models).mean() > models.mean() + 0.05

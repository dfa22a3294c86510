"""Mixing weights are a choice: symmetric, own shares kept, as fast as published, the same in a contract's text."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings

from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract
from p2pfl_me.contract.template import contract_text
from p2pfl_me.errors import ContractError
from p2pfl_me.simulation.mixing_alone import mix_alone
from p2pfl_me.topology import StaticSchedule, mixing_matrix, schedule_of, spectral_figures
from p2pfl_me.topology.summary import as_text, summarise
from p2pfl_me.topology.weighing import WEIGHTS
from tests.topology.drawing import connected_graphs


def agreed(topology: str, weights: str, peers: int = 16, gossip: str = "") -> Contract:
    return contract_from_yaml(
        f"version: 1\nname: w\ntopology: {topology}\npeers: {{loopback: {{count: {peers}}}}}\n"
        f"gossip: {{weights: {weights}{gossip}}}\n"
    )


def rounds_of(graph: nx.Graph, weights: str) -> int:
    """Mixing alone until a thousandth of the distance is left."""
    beta = spectral_figures(StaticSchedule(graph, WEIGHTS.of(weights).weigh)).beta
    return math.ceil(math.log(1e-3) / math.log(beta))


@pytest.mark.few(1)
@pytest.mark.parametrize("weights", WEIGHTS)
@given(graph=connected_graphs(most=7))
@settings(max_examples=15, deadline=None)
def test_every_choice_is_symmetric_and_comes_to_the_mean(weights: str, graph: nx.Graph) -> None:
    matrix = mixing_matrix(StaticSchedule(graph, WEIGHTS.of(weights).weigh))
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(matrix.sum(axis=0), 1, atol=1e-12)
    assert matrix.min() >= (-1 if weights == "constant" else 0)
    if len(matrix) > 1:
        assert np.abs(np.linalg.eigvalsh(matrix - 1 / len(matrix))).max() < 1
    linked = nx.to_numpy_array(graph, nodelist=sorted(graph.nodes)) > 0
    assert not (matrix[~linked & ~np.eye(len(matrix), dtype=bool)]).any()


def two_circles() -> nx.Graph:
    topology = contract_from_yaml(contract_text("edges", 16)).topology
    graph = nx.empty_graph(16)
    graph.add_edges_from(topology.pairs(16))
    return graph


@pytest.mark.parametrize(
    ("graph", "metropolis", "constant", "optimal"),
    [
        (nx.cycle_graph(16), 133, 91, 91),
        (two_circles(), 91, 59, 63),  # 56 where own shares may be negative, as the constant's are
        (nx.complete_graph(5), 1, 1, 1),
    ],
    ids=["ring", "two circles", "mesh"],
)
def test_rounds_are_those_computed_elsewhere(graph: nx.Graph, metropolis: int, constant: int, optimal: int) -> None:
    if graph.number_of_edges() == 10:  # exact after one round: beta is rounding noise
        assert spectral_figures(StaticSchedule(graph, WEIGHTS.of("constant").weigh)).beta < 1e-6
        return
    assert rounds_of(graph, "metropolis") == metropolis
    assert rounds_of(graph, "constant") == constant
    assert rounds_of(graph, "optimal") == pytest.approx(optimal, abs=1)


def test_the_best_constant_for_a_star_overshoots_and_the_best_weights_do_not() -> None:
    star = nx.star_graph(15)
    assert rounds_of(star, "metropolis") == 108
    assert rounds_of(star, "constant") == 56
    assert mixing_matrix(StaticSchedule(star, WEIGHTS.of("constant").weigh))[0, 0] < 0
    assert mixing_matrix(StaticSchedule(star, WEIGHTS.of("optimal").weigh))[0, 0] >= 0


def test_a_graph_of_several_best_weights_is_solved_too() -> None:
    """The solver stops short of its finest tolerance there, and is still far finer than what is kept."""
    graph = nx.Graph([(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 4), (1, 5), (2, 3), (2, 5), (3, 5)])
    plan = StaticSchedule(graph, WEIGHTS.of("optimal").weigh)
    assert spectral_figures(plan).beta == pytest.approx(0.5, abs=1e-4)


def test_the_best_weights_travel_in_the_contract_and_are_not_solved_again() -> None:
    contract = agreed("{kind: small_world}", "optimal", 12)
    text = dump_contract(contract)
    assert "optimal" in text and "edges" in text
    again = contract_from_yaml(text)
    assert digest(again) == digest(contract)
    assert schedule_of(again).edges(0) == schedule_of(contract).edges(0)
    assert (
        spectral_figures(schedule_of(contract)).beta
        < spectral_figures(schedule_of(agreed("{kind: small_world}", "metropolis", 12))).beta
    )


def test_new_writes_the_best_weights_down() -> None:
    text = contract_text("ring", 6, overrides=["gossip.weights=optimal"])
    contract = contract_from_yaml(text)
    assert "weights:" in text and contract.gossip.weights.options["edges"]


def test_weights_of_another_graph_are_refused() -> None:
    other = agreed("{kind: ring}", "{kind: optimal, edges: [[0, 2, 0.5]]}", 6)
    with pytest.raises(ContractError, match=r"\[0, 2\] has a weight and is no edge"):
        schedule_of(other)
    greedy = agreed("{kind: line}", "{kind: optimal, edges: [[0, 1, 0.9], [1, 2, 0.9]]}", 3)
    with pytest.raises(ContractError, match=r"share of -0\.8"):
        schedule_of(greedy)


@pytest.mark.parametrize(
    ("topology", "gossip", "said"),
    [
        ("{kind: base}", "", "base brings its own mixing weights"),
        ("{kind: equi_static}", "", "equi_static brings its own"),
        ("{kind: ring}", ", protocol: push", "push does not average by the weights"),
        ("{kind: ring}", ", protocol: adpsgd", "adpsgd does not average by the weights"),
    ],
)
def test_where_they_have_no_say_they_are_refused_by_name(topology: str, gossip: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        agreed(topology, "constant", 8, gossip)


@pytest.mark.parametrize("weights", ["constant", "optimal"])
def test_peers_mix_as_the_eigenvalues_say(weights: str) -> None:
    contract = agreed("{kind: ring}", weights, 10)
    course = mix_alone(contract, 12)
    values = np.linalg.eigvalsh(mixing_matrix(schedule_of(contract)))[:-1]
    expected = [math.sqrt(float(np.mean(values ** (2 * rounds)))) for rounds in range(13)]
    np.testing.assert_allclose(course.distance, expected, rtol=0.1)


def test_show_says_which_weights() -> None:
    assert "weights    metropolis, 0.3333 an edge" in as_text(summarise(agreed("{kind: ring}", "metropolis")))
    assert "weights    constant, 0.4817 an edge" in as_text(summarise(agreed("{kind: ring}", "constant")))
    assert "weights    the graph's own, 0.3333 an edge" in as_text(summarise(agreed("{kind: epidemic}", "metropolis")))

"""Figures against closed forms, published values, and what averaging really does."""

from __future__ import annotations

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given
from numpy.typing import NDArray

from p2pfl_me.topology import (
    ChangingSchedule,
    Edge,
    StaticSchedule,
    diameter,
    mixing_matrix,
    spectral,
    spectral_figures,
)
from tests.topology.drawing import connected_graphs, schedule

CLOSE = 1e-12


@pytest.mark.parametrize("count", range(3, 40))
def test_ring(count: int) -> None:
    gap = 2 / 3 * (1 - math.cos(2 * math.pi / count))
    # For n = 4 the most negative eigenvalue is as large: 1/3 - 2/3 = -1/3.
    assert spectral_figures(schedule("ring", count)).gap == pytest.approx(gap, abs=CLOSE)


@pytest.mark.parametrize("side", range(4, 10))
def test_torus(side: int) -> None:
    gap = 2 / 5 * (1 - math.cos(2 * math.pi / side))
    figures = spectral_figures(schedule("torus", side * side, rows=side, columns=side))
    assert figures.gap == pytest.approx(gap, abs=CLOSE)


@pytest.mark.parametrize("count", range(2, 40))
def test_star_and_mesh(count: int) -> None:
    assert spectral_figures(schedule("star", count)).gap == pytest.approx(1 / count if count > 2 else 1.0, abs=CLOSE)
    mesh = spectral_figures(schedule("mesh", count))
    assert mesh.gap == pytest.approx(1, abs=CLOSE)
    assert mesh.effective_neighbours == pytest.approx(count)
    assert mesh.rounds_to_consensus == 1


@pytest.mark.parametrize("power", range(1, 9))
def test_hypercube(power: int) -> None:
    figures = spectral_figures(schedule("hypercube", 2**power))
    assert figures.gap == pytest.approx(2 / (power + 1), abs=CLOSE)
    assert figures.diameter == power


@pytest.mark.parametrize("power", range(3, 9))
def test_exponential_of_a_power_of_two(power: int) -> None:
    """Steps 1, 2, 4, ... both ways, n/2 once: 2m - 1 neighbours; alternating signs turn only the steps of 1."""
    assert spectral_figures(schedule("exponential", 2**power)).gap == pytest.approx(2 / power, abs=CLOSE)


@pytest.mark.parametrize("count", range(3, 40))
def test_exponential_is_a_circulant(count: int) -> None:
    steps = {1 << power for power in range((count - 1).bit_length())}
    offsets = {step % count for step in steps} | {-step % count for step in steps}
    k = np.arange(1, count)[:, None]
    eigenvalues = (1 + np.cos(2 * np.pi * k * np.array(sorted(offsets)) / count).sum(1)) / (1 + len(offsets))
    assert spectral_figures(schedule("exponential", count)).beta == pytest.approx(np.abs(eigenvalues).max(), abs=CLOSE)


@pytest.mark.parametrize(
    ("kind", "count", "neighbours"),
    [
        ("ring", 16, 13.1),
        ("ring", 64, 17.8),
        ("star", 16, 8.2),
        ("star", 64, 4.1),
        ("hypercube", 16, 15.5),
        ("hypercube", 64, 56.8),
        ("torus", 16, 15.5),
        ("torus", 64, 50.2),
    ],
)
def test_effective_neighbours(kind: str, count: int, neighbours: float) -> None:
    side = math.isqrt(count)
    values = {"rows": side, "columns": side} if kind == "torus" else {}
    figures = spectral_figures(schedule(kind, count, **values))
    assert round(figures.effective_neighbours, 1) == neighbours


@given(connected_graphs())
def test_effective_neighbours_lie_between_alone_and_all(graph: nx.Graph) -> None:
    figures = spectral_figures(StaticSchedule(graph))
    assert 1 - 1e-9 <= figures.effective_neighbours <= len(graph) + 1e-9
    assert 0 <= figures.rms <= figures.beta + 1e-12 < 1 + 1e-12


@given(connected_graphs())
def test_the_predicted_rounds_are_enough_and_mostly_needed(graph: nx.Graph) -> None:
    schedule = StaticSchedule(graph)
    figures = spectral_figures(schedule)
    assume(figures.beta > 1e-6)
    rounds = figures.rounds_to_consensus
    matrix = mixing_matrix(schedule)
    worst = np.linalg.eigh(matrix)[1][:, np.argsort(np.abs(np.linalg.eigvalsh(matrix)))[-2]]
    left = np.linalg.norm(np.linalg.matrix_power(matrix, rounds) @ worst)
    assert left <= 1e-3 * (1 + 1e-6)
    assert np.linalg.norm(np.linalg.matrix_power(matrix, rounds - 1) @ worst) >= 1e-3 * (1 - 1e-6)


def test_rms_is_what_is_left_of_random_models() -> None:
    line = schedule("line", 12)
    models = np.random.default_rng(0).normal(size=(12, 20_000))
    models -= models.mean(0)
    left = np.linalg.norm(mixing_matrix(line) @ models) / np.linalg.norm(models)
    assert left == pytest.approx(spectral_figures(line).rms, rel=0.01)


@given(connected_graphs())
def test_diameter_and_degrees(graph: nx.Graph) -> None:
    figures = spectral_figures(StaticSchedule(graph))
    degrees = [degree for _, degree in graph.degree()]
    assert figures.diameter == nx.diameter(graph)
    assert (figures.peers, figures.edges) == (graph.number_of_nodes(), graph.number_of_edges())
    assert (figures.degree_min, figures.degree_max) == (min(degrees), max(degrees))
    assert figures.degree_mean == pytest.approx(sum(degrees) / len(degrees))


def test_a_single_peer_has_nothing_to_wait_for() -> None:
    figures = spectral_figures(StaticSchedule(nx.empty_graph(1)))
    assert (figures.beta, figures.gap, figures.rms, figures.diameter) == (0, 1, 0, 0)
    assert figures.effective_neighbours == pytest.approx(1)
    assert figures.rounds_to_consensus == 0


def test_a_graph_in_parts_has_no_diameter() -> None:
    with pytest.raises(ValueError, match="not connected"):
        diameter(StaticSchedule(nx.empty_graph(2)))


def test_a_schedule_that_changes_contracts_as_the_product_of_its_rounds() -> None:
    class Alternating(StaticSchedule):
        @property
        def period(self) -> int:
            return 2

        def edges(self, round: int) -> tuple[Edge, ...]:
            return super().edges(round)[round % 2 :: 2]

    schedule = Alternating(nx.path_graph(4))
    figures = spectral_figures(schedule)
    period = mixing_matrix(schedule, 1) @ mixing_matrix(schedule, 0)
    slowest = np.sort(np.abs(np.linalg.eigvals(period)))[-2]
    assert figures.exact_after is None
    assert figures.beta == pytest.approx(math.sqrt(slowest), rel=0.01)
    assert figures.models_per_round == pytest.approx(3 / 4)


def test_effective_neighbours_from_products_are_those_from_eigenvalues() -> None:
    """The same graph, once as one matrix and once as a schedule that happens to repeat it."""
    graph = nx.cycle_graph(9)
    standing = StaticSchedule(graph)
    repeating = ChangingSchedule(9, 2, standing.edges, standing.neighbours)
    expected, found = spectral_figures(standing), spectral_figures(repeating)
    assert found.effective_neighbours == pytest.approx(expected.effective_neighbours, rel=1e-9)
    assert found.beta == pytest.approx(expected.beta, rel=0.01)


def test_of_a_schedule_that_never_ends_so_many_rounds_are_multiplied_and_no_more() -> None:
    slow, rounds = np.array([[0.999, 0.001], [0.001, 0.999]]), []

    def mix(round: int, mass: NDArray[np.float64]) -> NDArray[np.float64]:
        rounds.append(round)
        return slow @ mass

    figures = spectral._of_product(2, None, mix)
    assert rounds == list(range(spectral.WINDOW))
    assert figures.beta == pytest.approx(0.998)

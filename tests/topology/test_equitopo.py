"""EquiTopo's theorems: rates that do not depend on the number of peers, over all draws or by closed eigenvalues."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from p2pfl_me.topology import directed_figures, directed_schedule_of, mixing_matrix, schedule_of, spectral_figures
from p2pfl_me.topology.equitopo import basis, matching, static_shares, static_weights
from tests.topology.drawing import contract_of, push_matrix


def shifted(count: int, shift: int) -> NDArray[np.float64]:
    """P^u, a column a sender."""
    return np.roll(np.eye(count), shift, axis=0)


def paired(count: int, pairs: list[tuple[int, int]]) -> NDArray[np.float64]:
    matrix = np.eye(count)
    for a, b in pairs:
        matrix[np.ix_((a, b), (a, b))] = 0.5
    return matrix


def worst_expected(matrices: list[NDArray[np.float64]]) -> float:
    """max over x that sum to 0 of E ||W x||^2 / ||x||^2."""
    count = len(matrices[0])
    expected = np.mean([matrix.T @ matrix for matrix in matrices], axis=0) - 1 / count
    return float(np.linalg.eigvalsh(expected)[-1])


def rate(count: int, drawn: tuple[int, ...]) -> float:
    """||W - J / n||_2 of D-EquiStatic: the largest of the other eigenvalues of a circulant, by its first column."""
    column = np.zeros(count)
    shares = static_shares(count, drawn)
    column[list(shares)] = list(shares.values())
    column[0] = 1 - column.sum()
    return float(np.abs(np.fft.fft(column))[1:].max())


@pytest.mark.parametrize("count", range(2, 30))
def test_a_directed_round_leaves_less_than_half_in_expectation(count: int) -> None:
    """Over all shifts exactly (n - 2) / (2 (n - 1)) of the squared distance, in every direction."""
    matrices = [(np.eye(count) + shifted(count, shift)) / 2 for shift in range(1, count)]
    assert worst_expected(matrices) == pytest.approx((count - 2) / (2 * (count - 1)), abs=1e-12)


@pytest.mark.few(6)
@pytest.mark.parametrize("count", range(2, 22))
def test_a_matching_leaves_less_than_two_thirds_in_expectation(count: int) -> None:
    """OU-EquiDyn: at most 2/3 of the squared distance, over all shifts and beginnings."""
    matrices = []
    for shift, start in itertools.product(range(1, count), range(count)):
        pairs = matching(count, shift, start)
        assert len({peer for pair in pairs for peer in pair}) == 2 * len(pairs)
        assert all((b - a) % count in (shift, count - shift) and a < b for a, b in pairs)
        assert 3 * len(pairs) >= count
        matrices.append(paired(count, pairs))
    assert worst_expected(matrices) <= 2 / 3 + 1e-12


@pytest.mark.parametrize("count", [2, 7, 12])
def test_the_schedules_rounds_are_those_of_the_theorems_equally_likely(count: int) -> None:
    directed = directed_schedule_of(contract_of("equi_dynamic", count, directed=True))
    undirected = schedule_of(contract_of("equi_dynamic", count))
    rounds = 400 * (count - 1)
    times = np.zeros(count)
    starts = set()
    for round in range(rounds):
        arcs = directed.arcs(round)
        shift = (arcs[0].receiver - arcs[0].sender) % count
        times[shift] += 1
        if round < 300:
            np.testing.assert_array_equal(push_matrix(directed, round), (np.eye(count) + shifted(count, shift)) / 2)
            pairs = [(edge.a, edge.b) for edge in undirected.edges(round)]
            possible = {tuple(matching(count, shift, start)) for start in range(count)}
            assert tuple(pairs) in possible
            starts.add((shift, tuple(pairs)))
            np.testing.assert_array_equal(mixing_matrix(undirected, round), paired(count, pairs))
    assert times[0] == 0
    # 400 times each, with a deviation of at most 20.
    assert np.abs(times[1:] - 400).max() <= 4 * 20
    assert count == 2 or len(starts) > count


@pytest.mark.parametrize(("count", "shifts"), [(12, 4), (16, 6), (21, 5)])
def test_a_few_shifts_bound_the_links_and_the_rate(count: int, shifts: int) -> None:
    """From M drawn shifts whose static W has the rate rho: (1 + rho) / 2 directed, (2 + rho) / 3 as matchings."""
    drawn = basis(count, shifts, 0)
    rho = rate(count, drawn)
    assert rho < 1
    for directed in (True, False):
        schedule = directed_schedule_of(contract_of("equi_dynamic", count, directed=directed, shifts=shifts))
        assert len(schedule.neighbours(3)) == len({way for shift in drawn for way in (shift, count - shift)})
        assert all(set(schedule.receivers(3, round)) <= set(schedule.neighbours(3)) for round in range(100))
    one_way = [(np.eye(count) + shifted(count, shift)) / 2 for shift in drawn]
    assert worst_expected(one_way) <= (1 + rho) / 2 + 1e-12
    both = [paired(count, matching(count, shift, start)) for shift in drawn for start in range(count)]
    assert worst_expected(both) <= (2 + rho) / 3 + 1e-12


@pytest.mark.parametrize("count", [50, 200, 1000, 4000])
def test_static_rates_keep_the_papers_promise_for_any_number_of_peers(count: int) -> None:
    """M = 8 ln(2 n / p) / (3 rho^2) shifts: ||W - J / n||_2 <= rho with probability 1 - p at least."""
    rho, p, draws = 0.5, 0.2, 25
    shifts = math.ceil(8 * math.log(2 * count / p) / (3 * rho**2))
    rates = [rate(count, basis(count, shifts, seed)) for seed in range(draws)]
    assert sum(each <= rho for each in rates) >= (1 - p) * draws
    assert max(rates) < 1


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 50))
def test_the_undirected_graph_is_the_directed_one_and_its_transpose(count: int, shifts: int, seed: int) -> None:
    values = {"shifts": shifts, "seed": seed}
    one_way = push_matrix(directed_schedule_of(contract_of("equi_static", count, directed=True, **values)))
    schedule = schedule_of(contract_of("equi_static", count, **values))
    both = mixing_matrix(schedule)
    np.testing.assert_allclose(both, (one_way + one_way.T) / 2, atol=1e-12)
    drawn = basis(count, shifts, seed)
    paper = sum(((count - 1) * shifted(count, shift) + np.eye(count)) / count for shift in drawn)
    np.testing.assert_allclose(one_way, paper / shifts if drawn else np.eye(1), atol=1e-12)
    assert sum(static_weights(count, drawn).values()) <= 1
    for peer in range(count):
        assert list(schedule.weights(peer, 0)) == list(schedule.neighbours(peer))


@pytest.mark.parametrize("count", [7, 30, 64])
def test_figures_of_the_static_graph_are_its_rate(count: int) -> None:
    figures = directed_figures(directed_schedule_of(contract_of("equi_static", count, directed=True, shifts=6)))
    drawn = basis(count, 6, 0)
    assert figures.beta == pytest.approx(rate(count, drawn), abs=1e-9)
    assert figures.models_per_round == len(set(drawn))
    undirected = spectral_figures(schedule_of(contract_of("equi_static", count, shifts=6)))
    assert undirected.beta <= figures.beta + 1e-12


@given(st.integers(2, 60), st.integers(1, 4), st.integers(0, 1000))
def test_a_basis_never_leaves_the_circle_in_parts(count: int, shifts: int, seed: int) -> None:
    drawn = basis(count, shifts, seed)
    assert len(drawn) == shifts
    assert all(1 <= shift < count for shift in drawn)
    assert math.gcd(count, *drawn) == 1


def test_no_peers_more_cost_no_rounds_more() -> None:
    """The measured rate of one-peer rounds stays where it is from 20 to 320 peers."""
    counts = (20, 80, 320)
    directed = [directed_figures(directed_schedule_of(contract_of("equi_dynamic", n, directed=True))) for n in counts]
    undirected = [spectral_figures(schedule_of(contract_of("equi_dynamic", n))) for n in counts]
    assert all(figures.exact_after is None for figures in (*directed, *undirected))
    assert max(figures.beta for figures in directed) < math.sqrt(1 / 2) + 0.1
    assert max(figures.beta for figures in undirected) < math.sqrt(2 / 3) + 0.05
    assert {figures.models_per_round for figures in directed} == {1}
    assert all(2 / 3 <= figures.models_per_round <= 1 for figures in undirected)


@pytest.mark.parametrize("count", [16, 64])
def test_rounds_that_meet_the_mean_by_chance_still_have_a_rate(count: int) -> None:
    schedule = directed_schedule_of(contract_of("equi_dynamic", count, directed=True))
    product = np.eye(count)
    for round in range(20):
        product = push_matrix(schedule, round) @ product
    np.testing.assert_allclose(product, 1 / count, atol=1e-15)
    figures = directed_figures(schedule)
    assert figures.exact_after is None
    assert figures.rms == pytest.approx(math.sqrt((count - 2) / (2 * (count - 1))), abs=0.1)
    assert figures.rms <= figures.beta < 1
    assert figures.gap == 1 - figures.beta


def test_a_schedule_whose_every_round_is_exact_says_so_though_rounds_never_repeat() -> None:
    assert spectral_figures(schedule_of(contract_of("equi_dynamic", 2))).exact_after == 1

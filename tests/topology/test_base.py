"""The theorem of the base-(k+1) graph over all small cases: the exact mean after one period of promised length."""

from __future__ import annotations

import math

import numpy as np
import pytest

from p2pfl_me.topology import mixing_matrix, round_rms, spectral_figures
from p2pfl_me.topology.graphs.base import _split_off_smooth, base_graph, base_schedule


@pytest.mark.few(30)
@pytest.mark.parametrize("meets", [1, 2, 3, 4])
@pytest.mark.parametrize("count", range(1, 101))
def test_one_period_is_the_exact_mean(count: int, meets: int) -> None:
    schedule = base_schedule(count, meets)
    assert schedule.period is not None
    product = np.eye(count)
    for round in range(schedule.period):
        matrix = mixing_matrix(schedule, round)
        assert matrix.min() > -1e-12
        assert (matrix - np.diag(np.diag(matrix)) > 0).sum(axis=1).max(initial=0) <= meets
        product = matrix @ product
    np.testing.assert_allclose(product, 1 / count, atol=1e-12)
    if count > 1:
        assert schedule.period <= 2 * math.log(count, meets + 1) + 2 + 1e-9


def test_powers_of_the_base_are_hypercubes() -> None:
    assert [len(base_graph(2**power, 1)) for power in range(1, 8)] == list(range(1, 8))
    assert [len(base_graph(3**power, 2)) for power in range(1, 5)] == list(range(1, 5))


@pytest.mark.parametrize(
    ("meets", "lengths"),
    [
        (1, [1, 3, 2, 5, 4, 5, 3, 7, 6, 7, 5, 7, 6, 7, 4, 9, 8, 9, 7, 9, 8, 9, 6, 9, 8, 9, 7, 9, 8, 9, 5]),
        (2, [1, 1, 2, 3, 2, 4, 3, 2, 4, 5, 3, 5, 5, 4, 4, 5, 3, 6, 5, 5, 6, 6, 4, 6, 6, 3, 6, 7, 5, 7, 5]),
        (3, [1, 1, 1, 3, 2, 3, 2, 2, 4, 4, 2, 4, 4, 4, 2, 5, 3, 5, 4, 4, 5, 5, 3, 5, 5, 3, 4, 5, 5, 5, 3]),
        (4, [1, 1, 1, 1, 2, 3, 2, 2, 2, 4, 2, 4, 4, 2, 2, 4, 3, 4, 2, 4, 4, 4, 3, 2, 5, 3, 4, 5, 3, 5, 3]),
    ],
)
def test_a_period_is_as_long_as_the_authors_code_makes_it(meets: int, lengths: list[int]) -> None:
    """The lengths for 2 to 32 peers that their implementation (yukiTakezawa/BaseGraph) gives."""
    assert [len(base_graph(count, meets)) for count in range(2, 33)] == lengths


def test_ten_thousand_peers_take_edges_not_matrices() -> None:
    schedule = base_schedule(10_000, 2)
    assert schedule.period is not None and schedule.period <= 2 * math.log(10_000, 3) + 2
    assert max(len(schedule.edges(round)) for round in range(schedule.period)) <= 10_000
    assert len(schedule.neighbours(9_999)) <= 2 * schedule.period


@pytest.mark.parametrize("count", [2, 7, 10, 31])
def test_figures_say_when_it_is_exact(count: int) -> None:
    schedule = base_schedule(count, 1)
    figures = spectral_figures(schedule)
    assert figures.exact_after == figures.rounds_to_consensus == schedule.period
    assert figures.beta == 0
    assert figures.models_per_round <= 1


def test_the_share_left_by_a_round_is_measured_on_random_models() -> None:
    schedule = base_schedule(12, 2)
    models = np.random.default_rng(0).normal(size=(12, 20_000))
    for round in range(schedule.period or 0):
        mixed = mixing_matrix(schedule, round) @ models
        left = np.linalg.norm(mixed - mixed.mean(0)) / np.linalg.norm(models - models.mean(0))
        assert round_rms(schedule, round) == pytest.approx(left, rel=0.01)


def test_a_number_is_split_into_its_small_prime_factors_and_the_rest() -> None:
    for largest in range(2, 8):
        for number in range(1, 200):
            smooth, rest = _split_off_smooth(number, largest)
            assert smooth * rest == number
            assert all(rest % factor for factor in range(2, largest + 1))
            for prime in (2, 3, 5, 7):
                while prime <= largest and smooth % prime == 0:
                    smooth //= prime
            assert smooth == 1

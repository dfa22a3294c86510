"""Epidemic learning from a shared hash: regular, fresh in every round, the same for all, and as fast as its theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import ContractError
from p2pfl_me.topology import mixing_matrix, round_rms, spectral_figures
from p2pfl_me.topology.graphs.epidemic import epidemic_schedule


@given(st.integers(2, 30), st.integers(1, 6), st.integers(0, 100), st.integers(0, 10**6))
def test_every_round_is_regular_and_doubly_stochastic(count: int, meets: int, seed: int, round: int) -> None:
    if meets >= count or meets * count % 2:
        with pytest.raises(ContractError, match="cannot each meet"):
            epidemic_schedule(count, meets, seed)
        return
    schedule = epidemic_schedule(count, meets, seed)
    assert schedule.period is None
    matrix = mixing_matrix(schedule, round)
    np.testing.assert_allclose(matrix.sum(0), 1)
    np.testing.assert_allclose(np.diag(matrix), 1 / (meets + 1))
    assert all(len(schedule.weights(peer, round)) == meets for peer in range(count))
    assert schedule.edges(round) == epidemic_schedule(count, meets, seed).edges(round)


def test_rounds_and_seeds_differ() -> None:
    schedule = epidemic_schedule(20, 2, 0)
    assert len({schedule.edges(round) for round in range(50)}) == 50
    assert schedule.edges(3) != epidemic_schedule(20, 2, 1).edges(3)


@pytest.mark.parametrize("meets", [1, 2, 4])
def test_the_expected_contraction_is_the_papers(meets: int) -> None:
    """beta_s = (1 - s / (n - 1)) / (s + 1) of the squared distance a round (de Vos et al., NeurIPS 2023)."""
    count = 64
    schedule = epidemic_schedule(count, meets, 0)
    theory = math.sqrt((1 - meets / (count - 1)) / (meets + 1))
    assert round_rms(schedule, 5) == pytest.approx(theory, rel=1e-9)
    assert spectral_figures(schedule).rms == pytest.approx(theory, rel=0.05)


def test_a_peer_knows_everyone_without_a_list_of_pairs() -> None:
    schedule = epidemic_schedule(10_000, 2, 0)
    assert len(schedule.neighbours(17)) == 9_999
    assert len(schedule.edges(0)) == 10_000


def test_an_exact_mean_that_chance_brings_hides_neither_the_rate_nor_the_rounds_before_it() -> None:
    """Of 8 peers who meet one other, seed 0, the product of 30 rounds is the exact mean; 13 leave a thousandth."""
    schedule = epidemic_schedule(8, 1, 0)
    left, product = [], np.eye(8)
    for round in range(30):
        product = mixing_matrix(schedule, round) @ product
        left.append(np.linalg.norm(product - 1 / 8, 2))
    assert left[-1] < 1e-12
    figures = spectral_figures(schedule)
    assert figures.exact_after is None
    assert figures.rounds_to_consensus == next(round for round, share in enumerate(left, 1) if share <= 1e-3) == 13
    assert figures.beta == pytest.approx(left[28] ** (1 / 29))
    assert 0 < figures.gap < 1


@pytest.mark.parametrize(("count", "meets"), [(10, 2), (40, 1), (64, 3)])
def test_rounds_to_consensus_are_counted_on_the_rounds_themselves(count: int, meets: int) -> None:
    schedule, product, rounds = epidemic_schedule(count, meets, 5), np.eye(count), 0
    while np.linalg.norm(product - 1 / count, 2) > 1e-3:
        product = mixing_matrix(schedule, rounds) @ product
        rounds += 1
    assert spectral_figures(schedule).rounds_to_consensus == rounds

"""The theorem of the one-peer exponential graph: the exact mean after log2 n rounds, for powers of two alone."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from p2pfl_me.topology import directed_figures
from p2pfl_me.topology.graphs.one_peer_exponential import one_peer_exponential
from tests.topology.drawing import push_matrix


@pytest.mark.few(8)
@pytest.mark.parametrize("count", range(2, 65))
def test_one_period_is_the_exact_mean_for_powers_of_two(count: int) -> None:
    schedule = one_peer_exponential(count)
    assert schedule.period == math.ceil(math.log2(count))
    product = np.eye(count)
    for round in range(schedule.period):
        matrix = push_matrix(schedule, round)
        np.testing.assert_allclose(matrix.sum(1), 1)
        assert (np.diag(matrix) == 0.5).all()
        product = matrix @ product
    left = np.linalg.norm(product - 1 / count)
    power_of_two = 2**schedule.period == count
    assert left < 1e-12 if power_of_two else left > 1e-3
    figures = directed_figures(schedule)
    assert figures.exact_after == (schedule.period if power_of_two else None)
    assert figures.models_per_round == 1
    assert power_of_two or 0 < figures.beta < 1


def test_the_order_of_the_rounds_does_not_matter() -> None:
    schedule = one_peer_exponential(16)
    for order in itertools.permutations(range(4)):
        product = np.eye(16)
        for round in order:
            product = push_matrix(schedule, round) @ product
        np.testing.assert_allclose(product, 1 / 16, atol=1e-15)


def test_steps_double_and_begin_again() -> None:
    schedule = one_peer_exponential(10)
    assert [next(iter(schedule.receivers(7, round))) for round in range(6)] == [8, 9, 1, 5, 8, 9]
    assert [next(iter(schedule.senders(1, round))) for round in range(4)] == [0, 9, 7, 3]
    assert schedule.neighbours(0) == (1, 2, 4, 6, 8, 9)


def test_a_single_peer_sends_nothing() -> None:
    assert one_peer_exponential(1).arcs(5) == ()
    assert one_peer_exponential(1).neighbours(0) == ()

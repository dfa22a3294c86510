"""EL-Local: own draws, all others equally likely, and the average kept and reached as fast as theory says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import ContractError
from p2pfl_me.topology import directed_figures
from p2pfl_me.topology.graphs.epidemic_local import EpidemicLocalSchedule
from tests.topology.drawing import push_matrix


@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 100), st.integers(0, 10**6))
def test_every_peer_sends_to_as_many_others(count: int, sends: int, seed: int, round: int) -> None:
    if count > 1 and sends >= count:
        with pytest.raises(ContractError, match=f"at most {count - 1}"):
            EpidemicLocalSchedule(count, sends, seed)
        return
    schedule = EpidemicLocalSchedule(count, sends, seed)
    assert schedule.period is None
    for peer in range(count):
        receivers = schedule.receivers(peer, round)
        assert len(receivers) == (sends if count > 1 else 0)
        assert set(receivers) <= set(range(count)) - {peer}
        assert set(receivers.values()) <= {1 / (sends + 1)}
    assert schedule.arcs(round) == EpidemicLocalSchedule(count, sends, seed).arcs(round)


def test_all_others_are_equally_likely_and_draws_of_peers_differ() -> None:
    rounds, schedule = 3000, EpidemicLocalSchedule(11, 3, 0)
    drawn = np.zeros((2, 11))
    for round in range(rounds):
        for peer in (0, 5):
            drawn[peer // 5, list(schedule.receivers(peer, round))] += 1
    assert drawn[0, 0] == drawn[1, 5] == 0
    # 3000 rounds at 3/10: 900 with a deviation of 25.1.
    others = np.concatenate([np.delete(drawn[0], 0), np.delete(drawn[1], 5)])
    assert np.abs(others - 900).max() < 4 * 25.1
    assert len({tuple(EpidemicLocalSchedule(11, 3, 0).receivers(5, round)) for round in range(200)}) > 50
    assert any(set(schedule.receivers(0, round)) - {5} != set(schedule.receivers(5, round)) - {0} for round in range(3))


@pytest.mark.few(2)
@pytest.mark.parametrize("count", [16, 64])
@pytest.mark.parametrize("sends", [1, 2, 4])
def test_a_round_leaves_the_expected_share_whatever_the_number_of_peers(count: int, sends: int) -> None:
    """Of mass that sums to 0: E ||W x||^2 = (1 - p) (1 + s - p) / (s + 1)^2 ||x||^2 with p = s / (n - 1).

    Each receiver holds 1 / (s + 1) of its own and of each sender's, and each other sends to it with chance p alone.
    """
    schedule = EpidemicLocalSchedule(count, sends, 0)
    mass = np.random.default_rng(0).normal(size=(count, 40))
    mass -= mass.mean(0)
    left = [np.square(push_matrix(schedule, round) @ mass).sum() / np.square(mass).sum() for round in range(300)]
    chance = sends / (count - 1)
    theory = (1 - chance) * (1 + sends - chance) / (sends + 1) ** 2
    assert np.mean(left) == pytest.approx(theory, rel=0.05)
    assert theory < 1 / (sends + 1)


def test_push_sum_reaches_the_exact_mean_that_plain_averaging_misses() -> None:
    schedule = EpidemicLocalSchedule(20, 2, 0)
    values = np.arange(20.0)
    mass, weight, plain = values, np.ones(20), values
    for round in range(60):
        matrix = push_matrix(schedule, round)
        mass, weight = matrix @ mass, matrix @ weight
        received = (matrix > 0) / (matrix > 0).sum(1, keepdims=True)
        plain = received @ plain
    np.testing.assert_allclose(mass / weight, values.mean(), atol=1e-9)
    assert abs(plain.mean() - values.mean()) > 0.1


def test_figures_are_those_of_the_ratio() -> None:
    """beta is what 40 rounds really left of the distance of z = x / w, for the worst start, a round."""
    schedule = EpidemicLocalSchedule(12, 2, 3)
    figures = directed_figures(schedule)
    assert figures.models_per_round == 2
    assert figures.exact_after is None
    product = np.eye(12)
    rounds = 0
    while np.linalg.norm(product / product.sum(1, keepdims=True) - 1 / 12) > 1e-9:
        product = push_matrix(schedule, rounds) @ product
        rounds += 1
    worst = np.linalg.svd(product / product.sum(1, keepdims=True) - 1 / 12)[2][0]
    z = (product @ worst) / (product @ np.ones(12))
    assert figures.beta == pytest.approx(np.linalg.norm(z - worst.mean()) ** (1 / rounds), rel=1e-6)
    # The share of squared distance that a round leaves is about 1 / (s + 1).
    assert figures.beta == pytest.approx(math.sqrt(1 / 3), abs=0.1)

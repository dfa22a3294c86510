"""D-PSGD along graphs that change from round to round: peers drift rounds apart, and nobody is left behind for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.topology import Schedule, mixing_matrix
from p2pfl_me.topology.graphs.base import base_schedule
from p2pfl_me.topology.graphs.epidemic import epidemic_schedule
from tests.gossip.driver import Driver, Faults, Outcome, Row
from tests.gossip.test_dpsgd import asymmetric_edges, core_settings, replayable

ROUNDS = 12

schedules = st.one_of(
    st.builds(base_schedule, st.integers(2, 12), st.integers(1, 3)),
    st.builds(epidemic_schedule, st.integers(2, 6).map(lambda half: 2 * half), st.just(1), st.integers(0, 100)),
    st.builds(epidemic_schedule, st.integers(4, 12), st.just(2), st.integers(0, 100)),
)


def rows_at(schedule: Schedule) -> Callable[[int], Mapping[int, Row]]:
    return lambda round: {peer: schedule.weights(peer, round) for peer in range(schedule.size)}


def run(schedule: Schedule, seed: int, faults: Faults, deadline_s: float = 2.0) -> Outcome:
    limits = replace(core_settings(ROUNDS), deadline_min_s=deadline_s, deadline_max_s=max(30.0, deadline_s))
    return Driver(rows_at(schedule), limits, seed=seed, faults=faults).run()


@settings(max_examples=25, **replayable)
@given(schedules, st.integers(0, 2**32))
def test_every_round_is_its_mixing_matrix_however_unequal_the_pace(schedule: Schedule, seed: int) -> None:
    """Some peers take ten times as long in some rounds, so those who do not meet them run ahead."""
    faults = Faults(training=lambda rng, peer: rng.choice([0.1, 0.1, 0.1, 10.0]))
    outcome = run(schedule, seed, faults, deadline_s=1000.0)
    assert {(finish.reason, finish.rounds) for finish in outcome.finished.values()} == {("rounds", ROUNDS)}
    peers = range(schedule.size)
    for round in range(ROUNDS):
        trained = np.stack([outcome.trained[peer, round] for peer in peers])
        mixed = np.stack([outcome.mixed[peer, round].params for peer in peers])
        assert all(not outcome.mixed[peer, round].missing for peer in peers)
        np.testing.assert_allclose(mixed, mixing_matrix(schedule, round) @ trained, rtol=1e-4, atol=1e-5)


@pytest.mark.thorough
@settings(max_examples=60, **replayable)
@given(schedules, st.integers(0, 2**32), st.floats(0, 0.3), st.sampled_from([0.1, 5.0, 40.0]))
def test_edges_stay_symmetric_and_everyone_finishes(schedule: Schedule, seed: int, loss: float, slowest: float) -> None:
    faults = Faults(
        latency=lambda rng: rng.uniform(0, 0.1) if rng.random() < 0.9 else rng.uniform(0, slowest),
        training=lambda rng, peer: rng.uniform(0.5, 1.5) * (slowest if peer == 0 else 1),
        loss=loss,
    )
    outcome = run(schedule, seed, faults)
    assert sorted(outcome.finished) == list(range(schedule.size))
    for round, peer, other in asymmetric_edges(outcome):
        assert loss > 0 or slowest > 2
        assert (peer, round) in outcome.finished[other].unsettled


@pytest.mark.parametrize("schedule", [base_schedule(7, 1), epidemic_schedule(8, 2, 0)], ids=["base", "epidemic"])
def test_a_returning_peer_joins_the_others_where_they_are(schedule: Schedule) -> None:
    limits = core_settings(rounds=40)
    outcome = Driver(rows_at(schedule), limits, faults=Faults(crashes=((2.0, 3, 20.0),))).run()
    rounds = sorted(round for peer, round in outcome.mixed if peer == 3)
    assert set(range(40)) - set(rounds), "it must have missed some rounds"
    last = max(round for round in range(40) if schedule.weights(3, round))
    assert outcome.mixed[3, last].weights.keys() == schedule.weights(3, last).keys()
    assert sorted(outcome.finished) == list(range(schedule.size))

"""The core under delays, losses, duplicates and crashes: what must hold in every schedule."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import StopRule
from tests.gossip.driver import Driver, Faults, Outcome, step_of

ROUNDS = 6

replayable = {"deadline": None, "phases": (Phase.explicit, Phase.generate)}
"""Schedules replay from their seed as printed; shrinking a random schedule costs minutes and shows no more."""


def core_settings(rounds: int = ROUNDS, **stop: object) -> Settings:
    return Settings(
        stop=StopRule(rounds, **stop),  # type: ignore[arg-type]
        deadline_min_s=2.0,
        deadline_max_s=30.0,
        deadline_mads=6.0,
        join_timeout_s=60.0,
    )


def rows_of(graph: nx.Graph) -> dict[int, dict[int, float]]:
    """Metropolis-Hastings rows, written down here once more so that the test stands on its own."""
    return {i: {j: 1 / (1 + max(graph.degree[i], graph.degree[j])) for j in graph[i]} for i in graph}


def asymmetric_edges(outcome: Outcome) -> list[tuple[int, int, int]]:
    """(round, a, b) where a mixed b's model and b finished that round without a's, and did not make it good later."""
    late = {(peer, other, round) for (peer, _), one in outcome.mixed.items() for other, round in one.late}
    return [
        (round, peer, other)
        for (peer, round), mixed in outcome.mixed.items()
        for other in mixed.weights
        if (other, round) in outcome.mixed
        and peer not in outcome.mixed[other, round].weights
        and (other, peer, round) not in late
    ]


graphs = st.builds(
    lambda n, p, seed: nx.convert_node_labels_to_integers(
        nx.compose(nx.gnp_random_graph(n, p, seed=seed), nx.random_labeled_tree(n, seed=seed))
    ),
    st.integers(2, 9),
    st.floats(0, 0.8),
    st.integers(0, 1000),
)


def test_faultless_rounds_are_the_mixing_matrix() -> None:
    graph = nx.cycle_graph(5)
    outcome = Driver(rows_of(graph), core_settings(), size=3).run()
    matrix = np.full((5, 5), 0.0)
    for i, row in rows_of(graph).items():
        for j, weight in row.items():
            matrix[i, j] = weight
    matrix += np.diag(1 - matrix.sum(axis=1))
    for round in range(ROUNDS):
        trained = np.stack([outcome.trained[peer, round] for peer in range(5)])
        mixed = np.stack([outcome.mixed[peer, round].params for peer in range(5)])
        np.testing.assert_allclose(mixed, matrix @ trained, rtol=1e-5, atol=1e-6)
        assert all(not outcome.mixed[peer, round].missing for peer in range(5))
    assert {finish.reason for finish in outcome.finished.values()} == {"rounds"}


@settings(max_examples=30, **replayable)
@given(graphs, st.integers(0, 2**32))
def test_order_of_arrival_does_not_change_a_bit(graph: nx.Graph, seed: int) -> None:
    # A neighbour of slow neighbours may well be 2 s late; a deadline that fires decides what is mixed.
    patient = replace(core_settings(), deadline_min_s=30.0)
    one = Driver(rows_of(graph), patient, seed=seed).run()
    other = Driver(rows_of(graph), patient, seed=seed + 1).run()
    for peer in graph:
        assert one.params[peer].tobytes() == other.params[peer].tobytes()


@pytest.mark.thorough
@settings(max_examples=80, **replayable)
@given(graphs, st.integers(0, 2**32), st.floats(0, 0.3), st.floats(0, 0.3), st.sampled_from([0.1, 5.0, 40.0]))
def test_edges_stay_symmetric_and_everyone_finishes(
    graph: nx.Graph, seed: int, loss: float, duplication: float, slowest: float
) -> None:
    faults = Faults(
        latency=lambda rng: rng.uniform(0, 0.1) if rng.random() < 0.9 else rng.uniform(0, slowest),
        training=lambda rng, peer: rng.uniform(0.5, 1.5) * (slowest if peer == 0 else 1),
        loss=loss,
        duplication=duplication,
    )
    outcome = Driver(rows_of(graph), core_settings(), seed=seed, faults=faults).run()
    assert sorted(outcome.finished) == sorted(graph)
    # Only an answer that was lost, or came later than any deadline, at the very end: who was left asking says so.
    for round, peer, other in asymmetric_edges(outcome):
        assert loss > 0 or slowest > 2
        assert (peer, round) in outcome.finished[other].unsettled


@settings(max_examples=30, **replayable)
@given(graphs, st.integers(0, 2**32))
def test_averaging_leaves_the_sum_of_all_steps_under_delays(graph: nx.Graph, seed: int) -> None:
    faults = Faults(latency=lambda rng: rng.choice([0.01, 0.01, 0.01, 3.0, 12.0]))
    outcome = Driver(rows_of(graph), core_settings(), seed=seed, faults=faults).run()
    if any(finish.unsettled for finish in outcome.finished.values()):
        return
    steps = [step_of(peer, round, 4).astype(np.float64) for peer, round in outcome.trained]
    ends = [outcome.params[peer].astype(np.float64) for peer in graph]
    np.testing.assert_allclose(np.sum(ends, axis=0), np.sum(steps, axis=0), atol=1e-4)


@pytest.mark.thorough
@settings(max_examples=80, **replayable)
@given(
    graphs,
    st.integers(0, 2**32),
    st.lists(st.tuples(st.floats(0, 12), st.integers(0, 8), st.one_of(st.none(), st.floats(0.5, 10))), max_size=4),
)
def test_survivors_of_crashes_finish(graph: nx.Graph, seed: int, plan: list[tuple[float, int, float | None]]) -> None:
    crashes = []
    gone = set()
    for when, peer, down in plan:
        if peer in graph and peer not in {p for _, p, _ in crashes}:
            crashes.append((when, peer, None if down is None else when + down))
            if down is None:
                gone.add(peer)
    outcome = Driver(rows_of(graph), core_settings(), seed=seed, faults=Faults(crashes=tuple(crashes))).run()
    assert set(graph) - gone <= set(outcome.finished)
    assert all(finish.reason == "rounds" for finish in outcome.finished.values())


def test_a_returning_peer_joins_its_neighbours_where_they_are() -> None:
    rows = rows_of(nx.cycle_graph(4))
    faults = Faults(crashes=((2.0, 3, 14.0),))
    outcome = Driver(rows, core_settings(rounds=20), faults=faults).run()
    rounds = sorted(round for peer, round in outcome.mixed if peer == 3)
    skipped = set(range(20)) - set(rounds)
    assert skipped, "it must have missed some rounds"
    assert outcome.mixed[3, 19].weights.keys() == {0, 2}


def test_a_neighbour_that_went_on_is_not_waited_for() -> None:
    """Peer 1 takes 500 s a round, far beyond every deadline: the others go on without it, and it catches up."""
    rows = rows_of(nx.path_graph(3))
    faults = Faults(training=lambda rng, peer: 500.0 if peer == 1 else 1.0)
    outcome = Driver(rows, core_settings(), faults=faults).run()
    assert outcome.mixed[0, 1].missing[1] in {"deadline", "went on to round 2"} or outcome.mixed[0, 1].missing
    assert set(outcome.finished) == {0, 1, 2}


def test_a_single_peer_trains_alone() -> None:
    outcome = Driver({0: {}}, core_settings()).run()
    assert outcome.finished[0].rounds == ROUNDS


def test_missing_neighbours_at_the_start_are_waited_for_until_the_timeout() -> None:
    rows = rows_of(nx.path_graph(2))
    driver = Driver(rows, core_settings())
    driver.boot(0)
    outcome = Driver.run.__get__(_only(driver, 0))()
    assert outcome.finished[0].rounds == ROUNDS
    assert outcome.finished_at >= 60.0
    assert outcome.mixed[0, 0].missing == {1: "unreachable"}


def _only(driver: Driver, peer: int) -> Driver:
    fresh = Driver(driver.rows, driver.settings)
    fresh.boot = lambda p: Driver.boot(fresh, p) if p == peer else None  # type: ignore[method-assign]
    return fresh


def test_patience_stops_only_where_the_neighbourhood_agrees() -> None:
    rows = rows_of(nx.complete_graph(3))
    loose = core_settings(rounds=50, patience=3, consensus=1e9)
    outcome = Driver(rows, loose, validation=lambda peer, round: 1.0).run()
    assert {(finish.reason, finish.rounds) for finish in outcome.finished.values()} == {("patience", 4)}
    strict = core_settings(rounds=50, patience=3, consensus=1e-9)
    outcome = Driver(rows, strict, validation=lambda peer, round: 1.0).run()
    assert {finish.reason for finish in outcome.finished.values()} == {"rounds"}


@pytest.mark.parametrize("peers", [2, 3, 10])
def test_a_stopped_peer_says_goodbye(peers: int) -> None:
    rows = rows_of(nx.complete_graph(peers))
    driver = Driver(rows, core_settings())
    driver.at(2.5, lambda: driver.perform(0, driver.cores[0].on_stop(driver.now)))
    outcome = driver.run()
    assert outcome.finished[0].reason == "stopped"
    assert all(outcome.finished[peer].reason == "rounds" for peer in range(1, peers))
    assert outcome.mixed[1, ROUNDS - 1].missing[0] == "left"
    assert outcome.finished_at < 60, "nobody waits for one that has left"

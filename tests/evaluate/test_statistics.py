"""Pooled scores, intervals and the paired test against hand computation and cases whose answer is known."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.evaluate.answers import gather, tally
from p2pfl_me.evaluate.cost import gather_course, reached, steps_of
from p2pfl_me.evaluate.course import Course, Recorder, Turn, course_from
from p2pfl_me.evaluate.floor import Floor, _timed
from p2pfl_me.evaluate.outcome import Guesses, Outcome
from p2pfl_me.evaluate.train import distance
from p2pfl_me.learning.metrics import Counts, Metrics, accuracy, confusion_matrix, uar, uf1
from p2pfl_me.learning.statistics import EXACT_UP_TO, Difference, Score, by_model, difference, interval, statistic
from p2pfl_me.report.arms import Arm


def counts(seed: int, models: int, subjects: int, classes: int, skill: float = 0.5, clips: int = 6) -> Counts:
    """Confusions by model and subject of answers that are right with probability `skill`."""
    random = np.random.default_rng(seed)
    true = random.integers(0, classes, subjects * clips)
    group = np.repeat(np.arange(subjects), clips)
    wrong = random.integers(0, classes, (models, len(true)))
    predicted = np.where(random.random((models, len(true))) < skill, true, wrong)
    return tally(predicted, true, group, subjects, classes)


def compared(first: Counts, second: Counts, draws: int = 4000) -> Difference:
    found = difference([first], [second], draws=draws)
    assert found is not None
    return found


def bounds(found: Counts, score: Score = uf1, draws: int = 4000) -> tuple[float, float]:
    known = interval([found], score, draws)
    assert known is not None
    return known.low, known.high


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 6))
def test_scores_are_those_of_one_pooled_matrix(seed: int, classes: int, subjects: int) -> None:
    found = counts(seed, 3, subjects, classes, clips=3)
    for model, pooled in zip(found, by_model(found), strict=True):
        metrics = Metrics(model.sum(axis=0))
        assert pooled == pytest.approx(metrics.uf1)
        assert float(uar(model.sum(axis=0))) == pytest.approx(metrics.uar)
        assert float(accuracy(model.sum(axis=0))) == pytest.approx(metrics.accuracy)
    assert statistic([found]) == pytest.approx(np.mean([Metrics(model.sum(axis=0)).uf1 for model in found]))


def test_a_tally_is_the_confusion_of_each_subject_and_leaves_out_what_was_not_asked() -> None:
    true, group = np.array([0, 1, 2, 1, 0]), np.array([0, 0, 1, 1, 1])
    predicted = np.array([[0, 2, 2, -1, 1]])
    found = tally(predicted, true, group, 2, 3)
    np.testing.assert_array_equal(found[0, 0], confusion_matrix([0, 1], [0, 2], 3))
    np.testing.assert_array_equal(found[0, 1], confusion_matrix([2, 0], [2, 1], 3))


def test_pooled_is_not_the_mean_of_folds() -> None:
    # Two subjects, each of one class and all right: pooled perfect, while each fold's own UF1 is one half.
    found = tally(np.array([[0, 0, 1, 1]]), np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2, 2)
    assert statistic([found]) == 1.0
    assert np.mean([uf1(found[0, subject]) for subject in (0, 1)]) == 0.5


def test_subjects_that_are_all_alike_leave_no_doubt() -> None:
    one = counts(1, 2, 1, 3, clips=20)
    low, high = bounds(np.repeat(one, 7, axis=1))
    assert low == pytest.approx(high) == pytest.approx(statistic([one]))


def test_two_subjects_are_drawn_with_their_known_shares() -> None:
    # One subject all right, one all wrong: accuracy of a draw is 1, 1/2 or 0 with shares 1/4, 1/2, 1/4.
    found = tally(np.array([[0, 1, 1, 0]]), np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), 2, 2)
    assert bounds(found, accuracy) == (0.0, 1.0)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth, covered = 0.25 + 0.75 * 0.5, 0
    for seed in range(100):
        low, high = bounds(counts(seed, 1, 40, 4, skill=0.5), accuracy, draws=400)
        covered += low <= truth <= high
    assert 86 <= covered <= 100


def test_equal_arms_do_not_differ() -> None:
    found = counts(3, 2, 20, 3)
    same = compared(found, found)
    assert same.mean == 0 and same.p == 1.0 and same.interval.low == same.interval.high == 0


def test_the_exact_test_counts_every_pattern() -> None:
    first, second = counts(1, 1, 5, 3, skill=0.9), counts(1, 1, 5, 3, skill=0.3)
    found = compared(first, second)
    assert found.exact
    gaps = []
    for pattern in product([False, True], repeat=5):
        swap = np.array(pattern)[None, :, None, None]
        a, b = np.where(swap, second, first), np.where(swap, first, second)
        gaps.append(float(by_model(a)[0] - by_model(b)[0]))
    assert found.p == pytest.approx(np.mean(np.abs(gaps) >= abs(gaps[0]) - 1e-12))


def test_under_the_null_p_is_small_as_seldom_as_it_says() -> None:
    # Answers of both arms drawn from one distribution on the same clips: exchangeable by construction.
    hits = 0
    for seed in range(120):
        both = counts(seed, 2, 15, 3)
        hits += compared(both[:1], both[1:], draws=300).p <= 0.1
    assert hits <= 24


def test_a_plain_difference_is_found() -> None:
    found = compared(counts(1, 1, 30, 3, skill=0.9), counts(1, 1, 30, 3, skill=0.3))
    assert found.mean > 0.2 and found.p < 0.01 and found.interval.low > 0 and not found.exact


def test_up_to_twelve_subjects_every_pattern_is_counted() -> None:
    for subjects, exact in ((EXACT_UP_TO, True), (EXACT_UP_TO + 1, False)):
        first, second = counts(1, 1, subjects, 3, skill=0.6), counts(1, 1, subjects, 3, skill=0.4)
        found = compared(first, second, draws=300)
        assert found.exact is exact
        steps = 2**subjects if exact else 301
        assert found.p * steps == pytest.approx(round(found.p * steps)) and found.p >= 1 / steps
    assert compared(first, second, draws=300) == found, "drawn from a fixed stream"


def test_one_pooled_model_stands_beside_every_peer_where_that_peer_was_asked() -> None:
    peers, pooled = counts(1, 3, 14, 3), counts(2, 1, 14, 3)
    peers[1, 4] = 0  # this peer had nothing left to train on when subject 4 was held out
    found = compared(peers, pooled)
    beside = [by_model(pooled)[0], by_model(np.delete(pooled, 4, axis=1))[0], by_model(pooled)[0]]
    assert found.mean == pytest.approx(float(np.mean(by_model(peers) - np.array(beside))))


def test_the_home_arms_ask_the_peer_to_whom_each_item_belongs() -> None:
    """Two pools of two peers: item by item the answer of its own peer, and none where that one was not asked."""
    dealt = [np.array([0, 1, -1, -1]), np.array([-1, -1, 1, 0])]
    guesses = (
        Guesses(Arm.GOSSIP, 0, (0, 1, 2), (0, 1, 2)),
        Guesses(Arm.GOSSIP, 1, (0, 1, 2), (2, 0, 1)),
    )
    found = gather(1, [Outcome(guesses, {}, None, 0.0)], dealt, 4, 2)
    assert found.models[Arm.GOSSIP_OWN_PEER].tolist() == [[0, 0, 1, -1]]
    assert found.models[Arm.ISOLATED_OWN_PEER].tolist() == [[-1] * 4] == found.models[Arm.POOLED].tolist()


def test_the_course_of_one_seed_is_as_long_as_its_shortest_fold_and_of_several_as_the_shortest_seed() -> None:
    def course(items: tuple[int, ...], rounds: int, cost: float) -> Course:
        turns = (Turn({0: [0] * len(items), 1: [k] * len(items)}, cost * k, 2 * cost * k) for k in range(1, rounds + 1))
        return Course(items, tuple(turns))

    assert gather_course(5, [], 3, 2) is None and gather_course(5, [course((0,), 0, 1.0)], 3, 2) is None
    one = gather_course(5, [course((0, 2), 2, 1.0), course((1,), 3, 3.0)], 3, 2)
    other = gather_course(6, [course((0, 1, 2), 1, 10.0)], 4, 2)
    assert one is not None and other is not None and (one.seed, other.seed) == (5, 6)
    assert one.models.tolist() == [[[0, 0, 0], [1, 1, 1]], [[0, 0, 0], [2, 2, 2]]]
    assert other.models.tolist() == [[[0, 0, 0, -1], [1, 1, 1, -1]]]
    assert (one.sent.tolist(), one.seconds.tolist()) == ([2.0, 4.0], [4.0, 8.0])
    true = np.array([0, 1, 1])
    (first, second) = steps_of([one], true, 3)
    assert (first.round, first.sent, first.seconds) == (1, 2.0, 4.0) and (second.round, second.sent) == (2, 4.0)
    # Peer 0 says 0 everywhere, peer 1 says 1 and then 2; F1 is over all three classes.
    assert first.uf1 == pytest.approx((0.5 + 0.8) / 3 / 2) and second.uf1 == pytest.approx(0.5 / 3 / 2)
    (both,) = steps_of([one, replace(other, models=other.models[:, :, :3])], true, 3)
    assert (both.sent, both.seconds, both.uf1) == (6.0, 12.0, pytest.approx(first.uf1))
    assert steps_of([], true, 3) == () and steps_of([replace(one, models=np.full((1, 2, 3), -1))], true, 3) == ()
    assert reached((second, first), 0.2) == first and reached((first, second), 0.05) == first
    assert reached((first,), first.uf1) == first and reached((first,), first.uf1 + 1e-9) is None


def test_a_recorder_tells_what_was_asked_and_leaves_the_asking_out_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two peers work for 3 s a round; each is asked for 5 s."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("p2pfl_me.evaluate.course.time", SimpleNamespace(process_time=lambda: clock.now))

    def ask(model: np.ndarray) -> list[int]:
        clock.now += 5.0
        return [int(model[0])]

    recorder = Recorder([4, 7], ask)
    for round in (1, 2):
        clock.now += 3.0
        for place in (0, 1):
            recorder(round, place, np.array([round * 10 + place], dtype=np.float32), 100.0 * round + place)
    course = recorder.course([9])
    assert course == Course((9,), (Turn({4: [10], 7: [11]}, 100.5, 1.5), Turn({4: [20], 7: [21]}, 200.5, 3.0)))
    assert course_from(json.loads(json.dumps(course.to_json()))) == course


def test_the_distance_of_models_is_to_their_mean_as_a_share_of_its_norm() -> None:
    models = np.array([[3.0, 1.0], [3.0, 7.0]], dtype=np.float32)
    assert distance(models, models.mean(axis=0)) == pytest.approx(3.0 / 5.0)
    assert distance(models - models.mean(axis=0), np.zeros(2, np.float32)) == 0.0


def test_the_floor_is_told_in_numbers() -> None:
    assert Floor(2000, 40.0, 62.0).words == (
        "2,000 training steps; at 20 ms each, measured just now on one core, they take 40 s, "
        "and the work took 62 s of cores: 1.55 times that"
    )


def test_a_step_is_timed_by_a_clock_that_moves_in_ticks_as_by_a_fine_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds of three steps, of which two, four and two end within one tick of ten milliseconds."""
    ticks = iter([0.0, 0.0, 0.01, 0.01, 0.01, 0.01, 0.01, 0.02, 0.02, 0.02, 0.03])
    clock = SimpleNamespace(process_time=lambda: next(ticks), perf_counter=lambda: 0.0)
    monkeypatch.setattr("p2pfl_me.evaluate.floor.time", clock)
    trainer = SimpleNamespace(train=lambda start, round: SimpleNamespace(steps=3))
    monkeypatch.setattr("p2pfl_me.evaluate.floor.alone", lambda *given: trainer)
    bench: Any = SimpleNamespace(start=None)
    assert _timed(bench, [], SimpleNamespace(test=())) == pytest.approx(0.01 / 12)  # type: ignore[arg-type]
    late = iter([0.0, 2.0])
    clock.perf_counter, ticks = lambda: next(late), iter([0.0, 0.3])
    clock.process_time = lambda: next(ticks)
    assert _timed(bench, [], SimpleNamespace(test=())) == pytest.approx(0.1)  # type: ignore[arg-type]

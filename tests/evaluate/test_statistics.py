"""Pooled scores, intervals and the paired test against hand computation and cases whose answer is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.evaluate.answers import gather, tally
from p2pfl_me.evaluate.outcome import Guesses, Outcome
from p2pfl_me.evaluate.statistics import EXACT_UP_TO, Difference, Score, by_model, difference, interval, statistic
from p2pfl_me.learning.metrics import Counts, Metrics, accuracy, confusion_matrix, uar, uf1
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

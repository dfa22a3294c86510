"""Statistics of membership: planted answers are found, chance is called chance, and a bound is one."""

from __future__ import annotations

import numpy as np
import pytest

from p2pfl_me.privacy.membership import attack_of, auc_interval, epsilon_bound, likelihood_ratios, lucky_advantage


def test_areas_and_advantages_are_those_computed_by_hand() -> None:
    scores, inside = np.array([3.0, 2.0, 1.0, 0.0]), np.array([True, False, True, False])
    found = attack_of(scores, inside)
    assert found.auc == 0.75 and found.advantage == 0.5
    assert attack_of(scores, np.ones(4, bool)).auc == 0.5, "without others there is nothing to tell"
    assert attack_of(np.zeros(6), np.arange(6) < 3) == attack_of(np.ones(6), np.arange(6) < 3)
    assert attack_of(np.zeros(6), np.arange(6) < 3).auc == 0.5


def test_shadow_games_find_what_confidence_alone_does_not() -> None:
    """Units differ by far more than membership moves them."""
    draw = np.random.default_rng(1)
    inside = draw.random((16, 200)) < 0.5
    scores = draw.normal(0, 5, 200) + 1.0 * inside + draw.normal(0, 0.5, (16, 200))
    assert attack_of(scores, inside).auc < 0.6 < 0.9 < attack_of(likelihood_ratios(scores, inside), inside).auc
    noise = draw.normal(size=(16, 200))
    assert attack_of(likelihood_ratios(noise, inside), inside).auc == pytest.approx(0.5, abs=0.03)


def test_more_units_bring_the_ends_of_the_area_together_around_it() -> None:
    random = np.random.default_rng(4)
    widths = []
    for units in (12, 400):
        inside = random.random((6, units)) < 0.5
        scores = random.normal(inside.astype(float), 1.0)
        low, high = auc_interval(scores, inside, seed=1, draws=60)
        assert low <= attack_of(scores, inside).auc <= high
        widths.append(high - low)
    assert widths[1] < 0.4 * widths[0]
    assert auc_interval(scores, np.ones_like(inside), seed=1, draws=5) == (0.5, 0.5), "nothing was out"


def test_who_learns_nothing_stays_below_what_luck_brings_and_who_learns_lies_above() -> None:
    random = np.random.default_rng(3)
    shares = []
    for _ in range(16):
        scores, inside = random.normal(size=(4, 60)) + random.normal(size=60), random.random((4, 60)) < 0.5
        luck = lucky_advantage(scores, inside, 0, draws=20)
        shares.append(attack_of(likelihood_ratios(scores, inside), inside).advantage / luck)
    assert sum(each <= 1 for each in shares) >= 13, "about 95 of 100"
    assert max(shares) > 0.7, "and no bound that nobody comes near"
    told = scores + 3 * inside
    assert attack_of(likelihood_ratios(told, inside), inside).advantage > 2 * lucky_advantage(told, inside, 0, draws=20)
    assert 0.02 < luck < 0.4, "above 0, which only certainty of nothing would be"


def test_a_unit_that_was_never_out_says_nothing() -> None:
    inside = np.array([[True, True], [True, False], [True, True], [True, False]])
    ratios = likelihood_ratios(np.arange(8.0).reshape(4, 2), inside)
    assert (ratios[:, 0] == 0).all() and np.isfinite(ratios).all()


def test_a_bound_on_epsilon_holds_for_a_mechanism_whose_epsilon_is_known() -> None:
    """Randomised response tells the truth with chance e^1 / (1 + e^1): its epsilon is 1."""
    draw, beyond, bounds = np.random.default_rng(2), 0, []
    for _ in range(60):
        inside = draw.random(400) < 0.5
        told = np.where(draw.random(400) < np.e / (1 + np.e), inside, ~inside)
        bounds.append(epsilon_bound(told + 1e-6 * draw.random(400), inside, 0.0))
        beyond += bounds[-1] > 1
    assert beyond <= 8 and np.mean(bounds) > 0.4, "seldom above, and not far below"


def test_perfect_guesses_prove_much_and_chance_proves_nothing() -> None:
    draw = np.random.default_rng(3)
    inside = draw.random(200) < 0.5
    assert epsilon_bound(inside.astype(float), inside, 1e-5) > 3
    assert epsilon_bound(draw.random(200), inside, 1e-5) < 0.5
    assert epsilon_bound(np.array([1.0, 0.0]), np.array([True, False]), 1e-5) == 0, "two units prove nothing"

"""The paired test against brute force, its limits with few seeds, and Student's quantiles against published ones."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.report.paired import cannot_tell, holm, paired, power_words, seeds_needed, sign_flip

whole = st.integers(-50, 50).map(float)


@given(st.lists(whole, min_size=1, max_size=8))
def test_p_is_the_share_of_sign_patterns_at_least_as_far_from_zero(values: list[float]) -> None:
    far = [
        abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in product((1, -1), repeat=len(values))
    ]
    assert sign_flip(values) == pytest.approx(np.mean([each >= abs(sum(values)) for each in far]))


@given(st.lists(whole, min_size=1, max_size=8))
def test_p_never_falls_below_what_so_many_seeds_can_give_and_does_not_know_the_order(values: list[float]) -> None:
    test = paired("a", "b", values)
    assert test.least <= test.p <= 1
    assert paired("b", "a", [-value for value in values]).p == pytest.approx(test.p)


def test_three_seeds_can_never_support_a_difference() -> None:
    test = paired("a", "b", [0.5, 0.51, 0.52])
    assert test.p == test.least == 0.25
    assert holm([test.p]) == (False,)


def test_eight_seeds_support_one_of_six_pairs_and_seven_do_not() -> None:
    def tests(seeds: int) -> list[bool]:
        clear = paired("a", "b", [0.1] * seeds)
        dull = [paired("a", str(other), [0.1, -0.1] * (seeds // 2) + [0.0] * (seeds % 2)) for other in range(5)]
        return list(holm([test.p for test in (*dull, clear)]))

    assert tests(8) == [False] * 5 + [True]
    assert tests(7) == [False] * 6
    assert seeds_needed(6) == 8 and seeds_needed(1) == 6


def test_what_the_seeds_can_show_is_said_and_true() -> None:
    assert power_words(3, 1) == ""
    for seeds in range(1, 12):
        for methods in (2, 3, 4):
            pairs = methods * (methods - 1) // 2
            clear = [paired("a", "b", [0.1] * seeds).p] + [1.0] * (pairs - 1)
            can = holm(clear)[0]
            words = power_words(seeds, methods)
            assert ("can be shown, however" not in words) == can and f"smallest p is {2.0 ** (1 - seeds):.2g}" in words
    assert cannot_tell(6, 1) == cannot_tell(8, 6) == "" and "--seeds 6" in cannot_tell(5, 1)
    assert power_words(3, 4) == (
        "3 seeds, 6 pairs: the smallest p is 0.25, so no difference in score can be shown, however large; it takes "
        "--seeds 8 at least"
    )


def test_more_seeds_than_can_be_counted_out_agree_with_the_normal_limit() -> None:
    values = np.random.default_rng(3).normal(0.3, 1, size=40)
    z = abs(values.sum()) / math.sqrt((values**2).sum())
    assert sign_flip(values.tolist()) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.15)


def test_what_none_of_the_drawn_patterns_reaches_counts_as_one_of_them() -> None:
    """So p is never 0 (Phipson and Smyth, Statistical Applications in Genetics and Molecular Biology 2010)."""
    assert sign_flip([1.0] * 40) == 1 / (1 + 2**16)


def test_the_interval_is_the_textbook_one_and_a_single_seed_has_none() -> None:
    test = paired("a", "b", [0.1, 0.2, 0.3])
    half = 4.3027 * 0.1 / math.sqrt(3)
    assert (test.low, test.high) == (pytest.approx(0.2 - half, abs=1e-4), pytest.approx(0.2 + half, abs=1e-4))
    assert paired("a", "b", [0.1]).low is None and paired("a", "b", [0.1]).p == 1

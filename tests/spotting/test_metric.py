"""The challenge's metric against cases that were counted by hand, and what must hold for any intervals."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.spotting.interval import Interval, Kind, overlap
from p2pfl_me.spotting.metric import LEAST_OVERLAP, Counts, Film, matches, score

MICRO, MACRO = Kind.MICRO, Kind.MACRO
spans = st.tuples(st.integers(0, 20), st.integers(1, 8), st.sampled_from(Kind)).map(
    lambda span: Interval(span[0], span[0] + span[1], span[2])
)


def micro(onset: float, offset: float, label: str = "") -> Interval:
    return Interval(onset, offset, MICRO, label)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 4), (0, 4), 1),
        ((0, 4), (2, 4), 0.5),
        ((0, 4), (2, 6), 1 / 3),
        ((0, 4), (4, 8), 0),
        ((0, 4), (9, 10), 0),
        ((1, 1), (1, 1), 0),
    ],
)
def test_overlap(one: tuple[float, float], other: tuple[float, float], expected: float) -> None:
    assert overlap(micro(*one), micro(*other)) == pytest.approx(expected)
    assert overlap(micro(*other), micro(*one)) == pytest.approx(expected)


def test_half_is_enough_and_less_is_not() -> None:
    assert score([Film((micro(0, 4),), (micro(2, 4),))]).micro == Counts(1, 0, 0)
    assert score([Film((micro(0, 4),), (micro(2.01, 4),))]).micro == Counts(0, 1, 1)


def test_one_match_each() -> None:
    """Two answers for one expression are one right and one wrong; one answer for two expressions misses one."""
    assert score([Film((micro(0, 10),), (micro(0, 10), micro(1, 10)))]).micro == Counts(1, 1, 0)
    assert score([Film((micro(0, 10), micro(1, 10)), (micro(0, 10),))]).micro == Counts(1, 0, 1)


def test_the_order_of_the_answers_does_not_cost_a_match() -> None:
    """The first answer fits both expressions, the second only the first: a greedy match would lose one."""
    truth, spotted = (micro(0, 6), micro(3, 9)), (micro(1.5, 7.5), micro(0, 5))
    assert overlap(truth[0], spotted[0]) >= LEAST_OVERLAP <= overlap(truth[1], spotted[0])
    for order in permutations(spotted):
        assert score([Film(truth, order)]).micro == Counts(2, 0, 0)


def test_micro_does_not_match_macro() -> None:
    scores = score([Film((micro(0, 4),), (Interval(0, 4, MACRO),))])
    assert (scores.micro, scores.macro, scores.overall) == (Counts(0, 0, 1), Counts(0, 1, 0), Counts(0, 1, 1))


def test_counts_are_summed_over_films_before_f1() -> None:
    """Film 1: one of one. Film 2: none of three, one false. Summed 2/(2+1+3) = 1/3; the mean of films would be 1/2."""
    films = [Film((micro(0, 4),), (micro(0, 4),)), Film((micro(0, 1), micro(2, 3), micro(4, 5)), (micro(9, 10),))]
    scores = score(films)
    assert scores.micro == Counts(1, 1, 3)
    assert scores.micro.f1 == pytest.approx(1 / 3)
    assert (scores.micro.precision, scores.micro.recall) == (0.5, 0.25)


@pytest.mark.parametrize("film", [Film((), ()), Film((), (micro(0, 1),)), Film((micro(0, 1),), ())])
def test_films_with_nothing(film: Film) -> None:
    scores = score([film])
    assert scores.micro == Counts(0, len(film.spotted), len(film.truth))
    assert scores.micro.f1 == 0 and scores.recognition_f1 is None and scores.strs is None
    assert score([]).overall == Counts()


def test_strs_is_spotting_times_recognition_on_true_positives() -> None:
    """Three of four found, one false: F1 = 6/8. Of the three, two named rightly: a is 2/3, b is 2/3; STRS 3/4 * 2/3."""
    truth = (micro(0, 1, "a"), micro(2, 3, "a"), micro(4, 5, "b"), micro(6, 7, "b"))
    spotted = (micro(0, 1, "a"), micro(2, 3, "b"), micro(4, 5, "b"), micro(9, 10, "a"))
    scores = score([Film(truth, spotted)])
    assert scores.micro == Counts(3, 1, 1)
    assert scores.recognition_f1 == pytest.approx(2 / 3)
    assert scores.strs == pytest.approx(3 / 4 * 2 / 3)


def test_an_abstention_on_a_true_positive_costs_recall() -> None:
    scores = score([Film((micro(0, 1, "a"), micro(2, 3, "a")), (micro(0, 1, "a"), micro(2, 3, "")))])
    assert scores.micro.f1 == 1 and scores.recognition_f1 == pytest.approx(2 / 3)


@given(st.lists(spans, max_size=5), st.lists(spans, max_size=5))
def test_the_match_is_the_largest_there_is(truth: list[Interval], spotted: list[Interval]) -> None:
    found = matches(truth, spotted)
    assert len({true for true, _ in found}) == len({answer for _, answer in found}) == len(found)
    fits = [
        (i, j)
        for i, one in enumerate(truth)
        for j, other in enumerate(spotted)
        if one.kind is other.kind and overlap(one, other) >= LEAST_OVERLAP
    ]
    assert set(found) <= set(fits)
    larger = combinations(fits, len(found) + 1)
    assert not any(len({i for i, _ in each}) == len({j for _, j in each}) == len(each) for each in larger)


@given(st.lists(spans, max_size=6), st.lists(spans, max_size=6))
def test_counts_add_up(truth: list[Interval], spotted: list[Interval]) -> None:
    scores = score([Film(tuple(truth), tuple(spotted))])
    for counts, kind in ((scores.micro, MICRO), (scores.macro, MACRO)):
        assert counts.tp + counts.fn == sum(each.kind is kind for each in truth)
        assert counts.tp + counts.fp == sum(each.kind is kind for each in spotted)
    assert score([Film(tuple(truth), tuple(truth))]).overall == Counts(len(truth), 0, 0)

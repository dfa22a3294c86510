"""What is spotted in a face whose every motion is known, at any camera rate, and what is not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.spotting.event import Event, Verdict
from p2pfl_me.spotting.interval import Interval, Kind, overlap
from p2pfl_me.spotting.regions import Group
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.spotter import LiveSpotter, Observation, spot
from tests.spotting.acting import Bump, Face, clock

DEFAULT = SpotterSettings()


def expressions(events: list[Event], kind: Kind = Kind.MICRO) -> list[Interval]:
    return [e.interval for e in events if e.verdict is Verdict.EXPRESSION and e.interval.kind is kind]


def live(observations: list[Observation]) -> list[Event]:
    spotter = LiveSpotter(DEFAULT)
    events = [event for each in observations for event in spotter.push(each)]
    return [*events, *spotter.finish()]


@pytest.mark.few(3)
@pytest.mark.parametrize("fps", [25, 30, 60, 100, 200])
@pytest.mark.parametrize("how", [spot, None])
def test_a_brief_expression_is_found_where_it_is(fps: float, how: object) -> None:
    face = Face([Bump(5.0, 0.4)], group=Group.MOUTH)
    seen = face.observe(clock(8, fps))
    events = spot(seen, DEFAULT) if how else live(seen)
    (found,) = expressions(events)
    assert overlap(found, Interval(5.0, 5.4, Kind.MICRO)) > 0.8
    assert found.seconds == pytest.approx(2 * DEFAULT.micro_s)
    assert expressions(events, Kind.MACRO) == []
    assert events[0].group is Group.MOUTH and events[0].apex_s == pytest.approx(5.2, abs=0.05)


@pytest.mark.thorough
@settings(max_examples=12, deadline=None)
@given(
    seconds=st.floats(0.25, 0.5),
    apex=st.floats(0.4, 0.6),
    height=st.floats(0.015, 0.1),
    fps=st.floats(24, 120),
    jitter=st.floats(0, 0.8),
    seed=st.integers(0, 99),
)
def test_time_stamps_count_not_pictures(
    seconds: float, apex: float, height: float, fps: float, jitter: float, seed: int
) -> None:
    face = Face([Bump(4.0, seconds, height, apex=apex)], seed=seed)
    found = expressions(spot(face.observe(clock(6.5, fps, jitter, seed)), DEFAULT))
    assert len(found) == 1 and overlap(found[0], Interval(4.0, 4.0 + seconds, Kind.MICRO)) >= 0.5


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_neutral_face_shows_nothing(seed: int) -> None:
    seen = Face(seed=seed).observe(clock(9, jitter=0.3, seed=seed))
    assert expressions(spot(seen, DEFAULT)) == expressions(live(seen)) == []


def test_a_long_expression_is_macro() -> None:
    seen = Face([Bump(5.0, 1.6, hold=1 / 3)]).observe(clock(10))
    for events in (spot(seen, DEFAULT), live(seen)):
        assert expressions(events) == []
        (found,) = expressions(events, Kind.MACRO)
        assert overlap(found, Interval(5.0, 6.6, Kind.MACRO)) >= 0.5


def test_a_face_that_drifts_shows_nothing() -> None:
    seen = Face([lambda time: 0.02 * time]).observe(clock(10))
    assert spot(seen, DEFAULT) == []


def test_a_blink_is_not_an_expression_of_the_brows_that_it_drags_along() -> None:
    seen = Face([Bump(5.0, 0.3, 0.006)], [Bump(5.0, 0.3, 0.025)]).observe(clock(8))
    (event,) = spot(seen, DEFAULT)
    assert event.verdict is Verdict.BLINK and overlap(event.interval, Interval(5.0, 5.3, Kind.MICRO)) > 0.6


def test_raised_lids_do_not_hide_raised_brows() -> None:
    seen = Face([Bump(5.0, 0.4, 0.03)], [Bump(5.0, 0.4, 0.03)]).observe(clock(8))
    assert len(expressions(spot(seen, DEFAULT))) == 1


def test_a_head_turn_is_not_an_expression() -> None:
    turn = [Bump(5.0, 1.2, 0.3)]
    seen = Face([Bump(5.0, 1.2, 0.04)], head=turn).observe(clock(9))
    assert {event.verdict for event in spot(seen, DEFAULT)} == {Verdict.TURN}


@pytest.mark.thorough
def test_strong_expressions_do_not_hide_a_weak_one() -> None:
    acts = [Bump(4.0 + 2 * index, 0.4, height) for index, height in enumerate((0.08, 0.07, 0.016, 0.08))]
    seen = Face(acts).observe(clock(13))
    assert len(expressions(spot(seen, DEFAULT))) == len(expressions(live(seen))) == 4


def test_nothing_is_spotted_before_the_neutral_face_is_known() -> None:
    face = Face([Bump(1.5, 0.4), Bump(6.0, 0.4)])
    spotter = LiveSpotter(DEFAULT)
    events: list[Event] = []
    for each in face.observe(clock(8)):
        events += spotter.push(each)
        if spotter.progress < 1:
            assert not events and spotter.newest is None
    assert [event.interval.onset_s for event in [*events, *spotter.finish()]] == [pytest.approx(6.0, abs=0.1)]


def test_a_gap_in_the_film_invents_nothing_and_costs_only_its_surroundings() -> None:
    face = Face([Bump(4.0, 0.4), Bump(8.0, 0.4)], head=[])
    times = [time for time in clock(10) if not 5.5 < time < 6.1]
    assert len(expressions(spot(face.observe(times), DEFAULT))) == 2


def test_events_come_once_in_order_and_do_not_overlap() -> None:
    acts = [Bump(4.0 + 1.1 * index, 0.35, 0.02 + 0.004 * index) for index in range(8)]
    for events in (spot(Face(acts).observe(clock(14)), DEFAULT), live(Face(acts).observe(clock(14)))):
        found = expressions(events)
        assert len(found) == 8
        assert all(one.offset_s <= two.onset_s for one, two in itertools.pairwise(found))


def test_a_film_without_observations() -> None:
    assert spot([], DEFAULT) == []
    assert spot([Observation(index / 30, None, None) for index in range(100)], DEFAULT) == []

"""Watching a drawn film: who is there, what they did, and that two looks at one film give the same."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.data.synthetic.film import film_seconds
from p2pfl_me.errors import DataError
from p2pfl_me.live.film import Film, open_film
from p2pfl_me.live.intervals import read_truth
from p2pfl_me.live.rates import RateMeter
from p2pfl_me.live.scoring import score_films
from p2pfl_me.live.tracker import LOST_S, Tracker
from p2pfl_me.live.watcher import Report, State, Watcher
from p2pfl_me.live.whole import Result, spot_film, watch_film
from p2pfl_me.spotting.event import Verdict
from p2pfl_me.spotting.settings import SpotterSettings
from tests.live.conftest import PLAN

SETTINGS = SpotterSettings()


def test_the_planted_expressions_are_spotted_and_nothing_else(film: Path, watched: Result) -> None:
    shows_what_was_planted(film, watched)


@pytest.mark.thorough
def test_nor_is_anything_else_by_who_may_look_back(film: Path) -> None:
    whole = spot_film(open_film(film), SETTINGS)
    shows_what_was_planted(film, whole)
    assert Verdict.TURN in {each.event.verdict for each in whole.events}


def shows_what_was_planted(film: Path, spotted: Result) -> None:
    opened = open_film(film)
    truth = read_truth(film.with_suffix(".csv"), [opened])
    assert opened.seconds == pytest.approx(film_seconds(PLAN), abs=0.05)
    counts = score_films(truth, [(opened, spotted)]).overall
    assert (counts.tp, counts.fp, counts.fn) == (2, 0, 0), spotted
    assert {each.person for each in spotted.events} == {1}
    assert not (spotted.absences or spotted.unseen or spotted.words)


@pytest.mark.thorough
def test_two_persons_have_a_neutral_face_and_events_each(film: Path) -> None:
    """The same face twice, the second a second later: each shows the acts when it does them."""
    frames = [picture.image for picture in islice(open_film(film).pictures(), 200)]
    watcher, reports = Watcher(SETTINGS, None), list[Report]()
    for index, frame in enumerate(frames):
        late = frames[max(0, index - 30)]
        reports.append(watcher.push(index / 30, np.hstack((frame, late)), index))
    events = [told for report in reports for told in report.events] + list(watcher.finish())
    onsets = {told.person: told.event.interval.onset_s for told in reversed(events)}
    assert len(onsets) == 2 and {seen.person for seen in reports[-1].persons} == {1, 2}
    left = min(reports[-1].persons, key=lambda seen: seen.x).person
    assert onsets[3 - left] - onsets[left] == pytest.approx(1.0, abs=0.1)
    assert {seen.state for seen in reports[20].persons} == {State.LEARNING}
    assert {seen.state for seen in reports[-1].persons} == {State.WATCHING}


def test_one_who_leaves_is_gone_and_returns_as_another(film: Path) -> None:
    frame = next(open_film(film).pictures()).image
    empty = np.full_like(frame, 90)
    tracker, numbers = Tracker(SETTINGS), []
    for index in range(70):
        now = index / 10
        shown = empty if 1.0 <= now < 2.0 + LOST_S else frame
        numbers.append([look.person.number for look in tracker.push(now, shown)])
    assert numbers[8] == [1] and numbers[39] == [] and numbers[-1] == [2]


def test_no_face_gives_no_person() -> None:
    watcher = Watcher(SETTINGS, None)
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    reports = [watcher.push(index / 10, noise, index) for index in range(12)]
    assert all(not report.persons and not report.events for report in reports)


def test_the_rate_is_the_cameras_and_not_the_watched_ones() -> None:
    """A camera of 60 of whose pictures every second one comes, from its tenth on."""
    meter = RateMeter()
    for taken in range(10, 310, 2):
        meter.push(taken / 60, taken)
    assert meter.camera_fps == pytest.approx(60) and meter.watched_fps == pytest.approx(30)
    assert (meter.received, meter.dropped) == (150, 149)
    assert RateMeter().camera_fps is None and RateMeter().dropped == 0


@pytest.mark.parametrize(("gap_s", "slow"), [(1 / 30, False), (0.1, True), (1.0, True), (2.5, True), (60.0, True)])
def test_pictures_are_too_slow_from_the_second_on_however_far_apart(gap_s: float, slow: bool) -> None:
    meter = RateMeter()
    said = []
    for count in range(8):
        meter.push(count * gap_s, count)
        said.append(meter.slow)
    assert said == [False, *[slow] * 7], "one picture says nothing of a rate"


@pytest.mark.few(1)
@pytest.mark.parametrize("look", [spot_film, watch_film])
def test_a_film_that_breaks_off_is_not_taken_for_one_without_events(
    half: Path, look: Callable[[Film, SpotterSettings], Result]
) -> None:
    with pytest.raises(DataError, match=r"half\.avi: only \d+ of the \d+ pictures"):
        look(open_film(half), SETTINGS)

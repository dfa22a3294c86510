"""Two people's pictures in one film are not one face that moves: they are told, and nothing is spotted in them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from p2pfl_me.data.jumps import Jumps
from p2pfl_me.data.preprocess.faces import EyesSource, Face
from p2pfl_me.live.absence import Lack
from p2pfl_me.live.watcher import Report, Watcher
from p2pfl_me.spotting.settings import SpotterSettings
from tests.data.make import picture

FPS = 30
Image = npt.NDArray[np.uint8]


def face(seed: int, count: int = 0) -> Image:
    """Somebody's face that sways by a pixel, in a light that drifts and with a rustling sensor."""
    shown = cv2.resize(picture(seed, 12), (320, 320), interpolation=cv2.INTER_CUBIC)
    moved = np.roll(shown, round(np.sin(count / 5)), axis=1).astype(np.float64)
    rustling = np.random.default_rng([seed, count]).normal(0, 2, moved.shape)
    return np.clip(moved * (0.8 + 0.1 * np.sin(count / 9)) + rustling, 0, 255).astype(np.uint8)


def jumps(pictures: Sequence[Image]) -> tuple[list[int], Jumps]:
    meter = Jumps()
    found = [meter.push(count / FPS, cv2.cvtColor(each, cv2.COLOR_RGB2GRAY)) for count, each in enumerate(pictures)]
    return [place for place, each in enumerate(found) if each], meter


@pytest.mark.thorough
def test_one_face_does_not_jump_however_the_light_changes() -> None:
    found, meter = jumps([face(1, count) for count in range(60)])
    assert found == [] and not meter.alternates and not meter.replaced
    dark = [(face(1, count) * (0.5 if count % 2 else 1.0)).astype(np.uint8) for count in range(30)]
    assert jumps(dark)[0] == []


@pytest.mark.few(1)
@pytest.mark.parametrize("every", [1, 2, 3])
def test_faces_that_take_turns_jump_each_time(every: int) -> None:
    found, meter = jumps([face(1 + count // every % 2, count) for count in range(30)])
    assert found == list(range(every, 30, every)) and meter.alternates
    assert not meter.replaced or every == 3, "each comes back"


def test_a_picture_that_comes_twice_hides_no_jump() -> None:
    shown = [face(1 + count // 2 % 2) for count in range(30)]
    assert jumps(shown)[0] == list(range(2, 30, 2))


def test_something_before_the_face_goes_and_it_is_the_same_again() -> None:
    found, meter = jumps([face(9 if 20 <= count < 24 else 1, count) for count in range(40)])
    assert found == [20, 24] and not meter.replaced and not meter.alternates


def watched(monkeypatch: pytest.MonkeyPatch, pictures: Sequence[Image]) -> list[Report]:
    there = Face(80, 80, 160, (130.0, 140.0), (190.0, 140.0), EyesSource.SEEN)
    monkeypatch.setattr("p2pfl_me.live.tracker.find_faces", lambda frame: [there])
    watcher = Watcher(SpotterSettings(), None)
    return [watcher.push(count / FPS, each, count) for count, each in enumerate(pictures)]


def test_a_film_of_two_people_in_turns_shows_no_one_face(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = watched(monkeypatch, [face(1 + count % 2, count) for count in range(2 * FPS)])
    lacking = reports[-1].lacking
    assert lacking is not None and lacking.kind is Lack.JUMPS and lacking.seconds > 1.5
    assert not any(report.events for report in reports)


@pytest.mark.thorough
def test_who_takes_anothers_place_is_another_person(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = watched(monkeypatch, [face(1 if count < 20 else 2, count) for count in range(2 * FPS)])
    numbers = [[seen.person for seen in report.persons] for report in reports]
    assert numbers[10] == [1] and numbers[-1] == [2] and reports[-1].lacking is None

"""A picture that stands still is not a face that does nothing: freezes, repeated pictures, cameras that change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from p2pfl_me.live.absence import Lack
from p2pfl_me.live.film import Image, open_film
from p2pfl_me.live.rates import RateMeter
from p2pfl_me.live.stillness import STILL_S, Stillness
from p2pfl_me.live.tracker import Tracker
from p2pfl_me.live.watcher import Clock, Watcher
from p2pfl_me.live.whole import spot_film, watch_film
from p2pfl_me.spotting.settings import SpotterSettings
from tests.data.make import picture

FPS = 30
SETTINGS = SpotterSettings()


def beginning(film: Path, count: int) -> Iterator[Image]:
    """Pictures of the film's beginning."""
    return (shown.image for shown in islice(open_film(film).pictures(), count))


def written(folder: Path, pictures: list[Image]) -> Path:
    for number, image in enumerate(pictures):
        assert cv2.imwrite(str(folder / f"{number}.bmp"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return folder


@pytest.mark.parametrize("rustling", [0, 1, 3])
def test_a_freeze_is_known_whatever_a_codec_adds_and_ends_with_the_first_motion(rustling: int) -> None:
    random, shown, meter = np.random.default_rng(1), picture(1, 64) // 2 + 60, Stillness()
    hangs = []
    for count in range(4 * FPS):
        frozen = FPS <= count < 4 * FPS - 5
        image = shown if frozen else np.roll(shown, count, axis=1)
        meter.push(count / FPS, (image + random.integers(0, rustling + 1, image.shape)).astype(np.uint8))
        hangs.append(meter.hangs)
        assert meter.went_on == (count == 4 * FPS - 5)
    assert hangs.index(True) == FPS + round(STILL_S * FPS) and hangs.count(True) == 4 * FPS - 5 - hangs.index(True)


def test_the_same_picture_three_times_is_one() -> None:
    meter, stillness = RateMeter(), Stillness()
    for count in range(3 * FPS):
        stillness.push(count / FPS, np.roll(picture(1, 64), count // 3, axis=1))
        meter.push(count / FPS, count, new=not stillness.repeated)
    assert meter.slow and meter.watched_fps == pytest.approx(10, abs=0.6)
    assert meter.camera_fps == pytest.approx(FPS, abs=2) and meter.dropped == 0


@pytest.mark.few(1)
@pytest.mark.parametrize("way", [spot_film, watch_film])
def test_a_film_that_freezes_says_when_and_from_its_beginning_on(way: object, film: Path, tmp_path: Path) -> None:
    shown = list(beginning(film, 40))
    folder = written(tmp_path, [*shown[:20], *[shown[20]] * 80, *shown[20:]])
    result = (spot_film if way is spot_film else watch_film)(open_film(folder, FPS), SETTINGS)
    (frozen,) = result.absences
    assert frozen.kind is Lack.STILL and result.unseen and not result.events
    assert frozen.onset_s == pytest.approx(20 / FPS, abs=0.1)
    assert frozen.offset_s == pytest.approx(101 / FPS, abs=0.5)  # until something has moved
    assert result.words.startswith("the picture stands still in ")


def test_nobody_is_where_they_were_when_the_size_of_the_picture_changes(film: Path) -> None:
    tracker, shown = Tracker(SETTINGS), list(beginning(film, 20))
    numbers = []
    for count, image in enumerate(shown):
        turned = image if count < 10 else np.pad(image, ((40, 0), (60, 0), (0, 0)), mode="edge")
        numbers.append([look.person.number for look in tracker.push(count / FPS, turned)])
        assert count != 11 or all(look.observation.micro is None for look in tracker.push(count / FPS, turned))
    assert numbers[5] == [1] and numbers[10] == [] and numbers[15] == [2]


def test_nothing_is_compared_across_a_cut(film: Path) -> None:
    tracker, shown = Tracker(SETTINGS), list(beginning(film, 20))
    seen = [tracker.push(count / FPS, image, cut=count == 15) for count, image in enumerate(shown)]
    motions = [look.observation.micro is not None for looks in seen for look in looks]
    assert motions[13] and not motions[14] and not motions[15]


def test_time_runs_forward_whatever_a_clock_does() -> None:
    clock = Clock()
    stamps = [5.0, 5.033, 2.0, 2.033, 2.033, 9000.0, -3.0, -2.967]
    told = [clock.forward(stamp) for stamp in stamps]
    assert all(one < other for one, other in pairwise(told))
    assert told[3] - told[2] == pytest.approx(0.033) and told[-1] - told[-2] == pytest.approx(0.033)


def test_pictures_of_one_time_or_in_each_others_place_do_not_add_up() -> None:
    clock = Clock()
    for count in range(300):
        for step in (0.0, 0.0, -0.02):
            told = clock.forward(count / 30 + step)
    assert told == pytest.approx(299 / 30, abs=0.01)


@pytest.mark.thorough
def test_the_page_is_told_of_a_camera_that_hangs(film: Path) -> None:
    watcher, shown = Watcher(replace(SETTINGS), None), list(beginning(film, 12))
    reports = [watcher.push(count / FPS, shown[min(count, 11)], count) for count in range(90)]
    lacking = reports[-1].lacking
    assert lacking is not None and lacking.kind is Lack.STILL and lacking.onset_s <= 11 / FPS
    assert reports[-1].persons and reports[50].lacking is None

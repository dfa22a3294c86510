"""The spotter's parts: resampling, thresholds, and the reading of flow."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.spotting.motion import GROUPS, MotionMeter
from p2pfl_me.spotting.regions import EYES, PATCHES, SIDE, UNIT, Group, pixels
from p2pfl_me.spotting.resample import Resampler
from p2pfl_me.spotting.threshold import Running, film_threshold


@given(st.lists(st.floats(0.001, 0.12), min_size=2, max_size=60), st.sampled_from([10.0, 30.0, 50.0]))
def test_a_straight_line_is_resampled_exactly(steps: list[float], rate: float) -> None:
    times = np.cumsum(steps)
    resampler = Resampler(rate, 0.15)
    out = [pair for time in times for pair in resampler.push(float(time), np.array([2 * time - 1]))]
    indices = [index for index, _ in out]
    assert indices == sorted(set(indices))
    assert len(indices) == int(np.floor(times[-1] * rate) - np.floor(times[0] * rate))
    assert all(value[0] == pytest.approx(2 * index / rate - 1) for index, value in out)


def test_a_gap_and_a_missing_value_break_the_line() -> None:
    resampler = Resampler(10.0, 0.25)
    one = np.ones(1)
    assert [i for i, _ in resampler.push(0.0, one)] == []
    assert [i for i, _ in resampler.push(0.2, one)] == [1, 2]
    assert [i for i, _ in resampler.push(1.0, one)] == []
    assert [i for i, _ in resampler.push(1.1, one)] == [11]
    assert [i for i, _ in resampler.push(1.2, None)] == []
    assert [i for i, _ in resampler.push(1.3, one)] == []
    assert [i for i, _ in resampler.push(1.3, one)] == [], "time stands still"


@given(st.lists(st.floats(-6, 10), min_size=1, max_size=80), st.integers(1, 20), st.floats(0, 1))
def test_the_running_threshold_is_the_films_over_what_was_seen_lately(
    evidence: list[float], memory: int, p: float
) -> None:
    running = Running(p, 2.0, memory)
    for index, value in enumerate(evidence):
        window = evidence[max(0, index + 1 - memory) : index + 1]
        assert running.push(value) == pytest.approx(film_threshold(window, p, 2.0))


def test_a_films_threshold_by_hand() -> None:
    assert film_threshold([0, 0, 0, 8], 0.55, 1.0) == pytest.approx(2 + 0.55 * 6)
    assert film_threshold([0, 0, 0, 8], 0.55, 7.0) == 7.0
    assert film_threshold([], 0.55, 2.0) == 2.0


def texture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal((SIDE, SIDE)).astype(np.float32)
    return np.clip(128 + 160 * cv2.GaussianBlur(noise, (0, 0), 2.0), 0, 255).astype(np.uint8)


def test_a_moving_head_moves_no_brow() -> None:
    picture = texture()
    shifted = cv2.warpAffine(
        picture, np.array([[1, 0, 2.0], [0, 1, -1.0]]), (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT
    )
    motion = MotionMeter().measure(picture, shifted)
    assert motion.head == pytest.approx((2 / UNIT, -1 / UNIT), abs=0.1 / UNIT)
    assert np.abs(motion.patches).max() < 0.3 / UNIT and np.abs(motion.eyes).max() < 0.3 / UNIT


@pytest.mark.parametrize("group", list(Group))
def test_a_moving_part_shows_in_its_group(group: Group) -> None:
    picture = texture(1)
    rows, columns = pixels(PATCHES[group][1])
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    middle = (rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2
    bump = 2.0 * np.exp(-((y - middle[0]) ** 2 + (x - middle[1]) ** 2) / (2 * 6.0**2))
    moved = cv2.remap(picture, x, y + bump.astype(np.float32), cv2.INTER_LINEAR)
    motion = MotionMeter().measure(picture, moved)
    size = np.linalg.norm(motion.patches, axis=1) * UNIT
    mine = np.array([each is group for each in GROUPS])
    assert size[mine].max() > 0.5 and size[~mine].max() < 0.3 * size[mine].max()
    assert np.linalg.norm(motion.head) * UNIT < 0.3


def test_all_patches_lie_in_the_aligned_picture_and_apart() -> None:
    seen = np.zeros((SIDE, SIDE), dtype=int)
    for group in Group:
        for box in PATCHES[group]:
            rows, columns = pixels(box)
            assert 0 <= rows.start < rows.stop <= SIDE and 0 <= columns.start < columns.stop <= SIDE
            seen[rows, columns] += 1
    assert seen.max() == 1 and seen[round(EYES[1]), round(EYES[0])] == 0

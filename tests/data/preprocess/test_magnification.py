"""Eulerian magnification: the band and nothing else is amplified, and small motion becomes large motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.contract.preprocess import FlowMethod
from p2pfl_me.data.preprocess.flow import flow_field
from p2pfl_me.data.preprocess.magnification import band_pass, level_gains, magnify
from tests.data.preprocess.make import moved, texture


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.floats(20, 200), st.floats(0, 20), st.floats(0.5, 40))
def test_the_filter_is_an_orthogonal_projection(frames: int, fps: float, low: float, width: float) -> None:
    weights = band_pass(frames, fps, low, low + width)
    np.testing.assert_allclose(weights @ weights, weights, atol=1e-9)
    np.testing.assert_allclose(weights, weights.T, atol=1e-12)
    if low > 0:
        np.testing.assert_allclose(weights.sum(axis=1), 0, atol=1e-9)  # what stands still is not in the band
    np.testing.assert_allclose(band_pass(frames, fps, 0, fps), np.eye(frames), atol=1e-9)


def test_the_filter_passes_its_band_and_stops_the_rest() -> None:
    t = np.arange(100) / 100
    weights = band_pass(100, 100, 4, 10)
    slow, wanted, fast = (np.cos(2 * np.pi * hertz * (t + 0.005)) for hertz in (1, 6, 30))
    np.testing.assert_allclose(weights @ (slow + wanted + fast + 5), wanted, atol=1e-9)


def test_small_motion_in_the_band_becomes_larger_and_other_motion_stays() -> None:
    face, frames, fps = texture(192), 40, 100.0
    t = np.arange(frames) / fps
    small = 0.25 * np.cos(2 * np.pi * 5 * (t + 0.5 / fps))

    def motion(hertz: float, alpha: float) -> float:
        swing = 0.25 * np.cos(2 * np.pi * hertz * (t + 0.5 / fps))
        clip = [moved(face, each, 0) for each in swing]
        top, bottom = int(np.argmax(swing)), int(np.argmin(swing))
        pair = magnify(clip, band_pass(frames, fps, 3, 8), (bottom, top), alpha)
        return float(np.median(flow_field(*pair, FlowMethod.DIS)[20:-20, 20:-20, 0]))

    plain = 2 * 0.25
    assert np.ptp(small) == pytest.approx(plain, rel=0.02)
    assert motion(5, 4) > 2 * plain
    assert motion(25, 4) == pytest.approx(plain, abs=0.15)


def test_frames_that_stand_still_stay_as_they_are() -> None:
    face = texture(96)
    for out in magnify([face] * 9, band_pass(9, 50, 1, 20), (0, 4), 10.0):
        np.testing.assert_array_equal(out, face)


def test_gains_rise_to_alpha_and_leave_out_noise_and_light() -> None:
    gains = level_gains(6, 10.0)
    assert gains[0] == gains[-1] == 0
    assert 0 < gains[1] < gains[2] == gains[3] == gains[4] == 10
    assert max(level_gains(6, 2.0)) == 2

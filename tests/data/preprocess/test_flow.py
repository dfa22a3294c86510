"""Motion becomes a flow image: local motion shows with sign and size, the head's does not, strain is what it says."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from p2pfl_me.contract.preprocess import FlowMethod, HeadMotion, Region, Scale
from p2pfl_me.data.preprocess.flow import (
    EYE_SHARE,
    STILL,
    WHOLE_SCALE,
    FlowRecipe,
    flow_field,
    flow_image,
    skin_flow,
    strain,
)
from p2pfl_me.data.preprocess.head import head_motion
from p2pfl_me.data.preprocess.regions import EYE_DISTANCE, mask, steady
from tests.data.preprocess.make import Image, bump, moved, texture

SIDE = 192
WHOLE = FlowRecipe()


def rigidly(image: Image, degrees: float, growth: float, across: float, down: float) -> Image:
    middle = (len(image) - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, 1 + growth)
    matrix[:, 2] += (across, down)
    return np.asarray(cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT), dtype=np.uint8)


def the_first_flow_images(onset: Image, apex: Image) -> npt.NDArray[np.uint8]:
    """What contracts without a section `preprocess` have always meant, written out."""
    grey = [cv2.cvtColor(cv2.resize(each, (96, 96), interpolation=3), cv2.COLOR_RGB2GRAY) for each in (onset, apex)]
    flow = cv2.DISOpticalFlow.create(2).calc(*grey, np.empty(0))  # type: ignore[call-overload]
    flow = np.asarray(flow - np.median(flow, axis=(0, 1)), dtype=np.float32)
    (uy, ux), (vy, vx) = np.gradient(flow[..., 0]), np.gradient(flow[..., 1])
    third = np.sqrt(ux**2 + vy**2 + (uy + vx) ** 2 / 2)
    planes = np.stack((flow[..., 0] / 1.5, flow[..., 1] / 1.5, third / 0.5), axis=-1)
    image = np.clip(np.rint(np.array((124, 116, 104)) + 127 * planes), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA), dtype=np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_the_default_is_the_first_flow_image_to_the_bit(seed: int) -> None:
    face = texture(seed=seed)
    apex = moved(face, bump() * 1.3, -0.7 * bump(at=(30, 70)))
    np.testing.assert_array_equal(flow_image(face, apex, WHOLE, 64), the_first_flow_images(face, apex))


@pytest.mark.parametrize("method", FlowMethod)
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("how", [HeadMotion.MEDIAN, HeadMotion.NOSE, HeadMotion.RIGID])
def test_a_shifted_head_is_still(method: FlowMethod, aligned: bool, how: HeadMotion) -> None:
    face = texture(SIDE, 1)
    recipe = FlowRecipe(method, how, aligned=aligned)
    inside = slice(16, -16)
    for across, down in ((0.0, 0.0), (1.5, -0.75)):
        shifted = rigidly(face, 0, 0, across, down)
        assert np.abs(flow_field(face, shifted, method)[inside, inside] - (across, down)).mean() < 0.15
        assert np.abs(skin_flow(face, shifted, recipe)[inside, inside]).mean() < 0.1


@pytest.mark.parametrize("aligned", [False, True])
def test_a_turned_and_nearer_head_is_still_once_rigid_motion_is_taken_off(aligned: bool) -> None:
    face = texture(SIDE, 2)
    turned = rigidly(face, 0.8, 0.008, -0.6, 0.4)
    seen = mask((Region.FACE,), SIDE)
    left = {
        how: float(np.abs(skin_flow(face, turned, FlowRecipe(head=how, aligned=aligned))[seen]).mean())
        for how in HeadMotion
    }
    assert left[HeadMotion.RIGID] < 0.06 < 3 * left[HeadMotion.RIGID] + 0.06 < left[HeadMotion.MEDIAN]
    assert left[HeadMotion.MEDIAN] < left[HeadMotion.NONE]


def test_the_rigid_fit_is_exact_on_a_rigid_field_and_blind_to_a_mouth_that_moves() -> None:
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    field = np.stack((0.01 * x - 0.02 * y + 1.5, 0.02 * x + 0.01 * y - 0.5), axis=-1).astype(np.float32)
    field += np.random.default_rng(0).normal(0, 0.05, field.shape).astype(np.float32)
    smile = field.copy()
    smile[..., 0] += 4 * bump(SIDE, (96, 140), 14)
    for aligned in (False, True):
        clean, smiling = (head_motion(each, HeadMotion.RIGID, aligned=aligned) for each in (field, smile))
        np.testing.assert_allclose(clean, field, atol=0.3)
        assert np.abs(clean - field).mean() < 0.05
        np.testing.assert_allclose(smiling, clean, atol=0.1)


@pytest.mark.parametrize("method", FlowMethod)
@pytest.mark.parametrize(("across", "down"), [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_local_motion_shows_with_its_sign_and_size(method: FlowMethod, across: float, down: float) -> None:
    face = texture()
    out = flow_image(face, moved(face, across * bump(), down * bump()), FlowRecipe(method), 96).astype(float) - STILL
    seen = out[42:55, 42:55, :2].mean(axis=(0, 1)) * WHOLE_SCALE / 127
    assert np.allclose(seen, (across * 0.85, down * 0.85), atol=0.3)
    ring, corner = out[48, 36:40, 2].mean() + out[36:40, 48, 2].mean(), out[5:15, 5:15, 2].mean()
    assert ring > corner + 2  # strain sits where the skin stretches


def test_aligned_motion_is_measured_in_distances_between_the_eyes() -> None:
    face = texture(SIDE, 3)
    unit = EYE_SHARE * EYE_DISTANCE * SIDE
    out = flow_image(face, moved(face, 0.6 * unit * bump(SIDE, (96, 140), 16), 0), FlowRecipe(aligned=True), SIDE)
    assert (out[136:145, 92:101, 0].astype(float) - STILL[0]).mean() / 127 == pytest.approx(0.6, abs=0.12)


def test_strain_is_that_of_an_analytic_field() -> None:
    y, x = np.mgrid[:40, :40] / 40
    u, v = np.sin(3 * x) * np.cos(2 * y), x**2 * y
    ux, uy = 3 * np.cos(3 * x) * np.cos(2 * y) / 40, -2 * np.sin(3 * x) * np.sin(2 * y) / 40
    vx, vy = 2 * x * y / 40, x**2 / 40
    found = strain(np.stack((u, v), axis=-1).astype(np.float32))
    expected = np.sqrt(ux**2 + vy**2 + (uy + vx) ** 2 / 2)
    np.testing.assert_allclose(found[1:-1, 1:-1], expected[1:-1, 1:-1], atol=2e-4)
    turn = np.stack((-0.02 * y * 40, 0.02 * x * 40), axis=-1).astype(np.float32)
    np.testing.assert_allclose(strain(turn), 0, atol=1e-6)  # a small rotation stretches nothing
    growth = np.stack((0.03 * x * 40, 0.03 * y * 40), axis=-1).astype(np.float32)
    np.testing.assert_allclose(strain(growth), 0.03 * np.sqrt(2), atol=1e-6)


def test_amplitude_survives_a_fixed_scale_and_not_that_of_the_image() -> None:
    face = texture()

    def shown(strength: float, scale: Scale) -> float:
        out = flow_image(face, moved(face, strength * bump(), 0), FlowRecipe(scale=scale), 64)
        return float(np.ptp(out[8:-8, 8:-8, 0].astype(int)))

    assert shown(1.0, Scale.FIXED) > 1.7 * shown(0.4, Scale.FIXED)
    assert shown(1.0, Scale.IMAGE) == pytest.approx(shown(0.4, Scale.IMAGE), rel=0.15)
    assert shown(0.4, Scale.IMAGE) > 200


def test_what_the_masks_leave_out_is_still_and_what_they_keep_is_untouched() -> None:
    face = texture(SIDE, 4)
    apex = moved(face, 2 * bump(SIDE, (96, 140), 16), bump(SIDE, (60, 45), 10))
    kept = mask((Region.MOUTH,), SIDE)
    for scale in Scale:
        whole, masked = (
            flow_image(face, apex, FlowRecipe(scale=scale, aligned=True, masked=regions), SIDE)
            for regions in ((), (Region.MOUTH,))
        )
        assert (masked[~kept] == STILL).all()
        if scale is Scale.FIXED:
            np.testing.assert_array_equal(masked[kept], whole[kept])
        else:
            assert set(masked[kept][:, 0]) >= {0, 255}


def test_the_steady_part_of_a_face_has_none_of_what_expressions_move() -> None:
    quiet = steady(SIDE)
    assert quiet.sum() > 0.1 * SIDE**2
    assert not (quiet & mask((Region.BROWS, Region.EYES, Region.MOUTH), SIDE)).any()
    assert (quiet <= mask((Region.FACE,), SIDE)).all()

"""A clip becomes the images that the contract asks for, and what was done to it is noted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from p2pfl_me.contract.preprocess import Input, Preprocess, Region
from p2pfl_me.data.clip import ApexSource
from p2pfl_me.data.frames import frame_files
from p2pfl_me.data.images import read_image
from p2pfl_me.data.manifest import Clip
from p2pfl_me.data.preprocess.flow import STILL
from p2pfl_me.data.preprocess.inputs import clip_images
from p2pfl_me.data.preprocess.note import ClipNote, FaceSource
from p2pfl_me.data.preprocess.plan import plan_clip, plan_digest
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.data.preprocess.regions import mask
from p2pfl_me.errors import DataError
from tests.data.make import picture, save
from tests.data.preprocess.make import Image, bump, clip, film, moved, person, texture

PLAIN = Recipe(Input.IMAGE, 8, Preprocess())


def recipe(input: Input, size: int = 64, **options: object) -> Recipe:
    return Recipe(input, size, Preprocess.model_validate(options))


def levels(folder: Path, count: int = 11) -> Path:
    """Frames that are told apart by their grey level: their number."""
    for number in range(1, count + 1):
        image = np.full((8, 8), number, dtype=np.uint8)
        image[-1, -1] = 255  # a picture of one colour shows nothing, and is refused
        save(folder / f"{number}.png", image)
    return folder


def shown(one: Clip, input: Input, **options: object) -> list[int]:
    return [int(image[0, 0, 0]) for image in clip_images(one, recipe(input, 8, **options)).images]


def test_the_apex_is_taken_and_midway_where_it_is_unknown(tmp_path: Path) -> None:
    levels(tmp_path)

    def apex(way: str = "given", **known: int) -> list[int]:
        return shown(clip(tmp_path, **known), Input.IMAGE, apex=way)

    assert apex(apex=7) == [7] and apex() == [6] and apex(onset=1, offset=5) == [3] and apex(onset=7) == [9]
    assert apex("middle", apex=7) == [6]
    with pytest.raises(DataError, match=r"no frame 12 \(it has 1 to 11\)"):
        apex(apex=12)
    with pytest.raises(DataError, match="no frame 0"):
        shown(clip(tmp_path, onset=0, apex=3), Input.FLOW)


def test_every_frame_or_some_evenly_from_onset_to_offset_are_samples(tmp_path: Path) -> None:
    levels(tmp_path)
    one = clip(tmp_path, onset=3, apex=5, offset=9)
    assert shown(one, Input.FRAME) == [3, 4, 5, 6, 7, 8, 9]
    assert shown(one, Input.FRAMES, frames=3) == [3, 6, 9]
    assert shown(one, Input.FRAMES, frames=4) == [3, 5, 7, 9]
    assert shown(one, Input.FRAMES, frames=20) == [3, 4, 5, 6, 7, 8, 9], "no frame twice"
    assert shown(one, Input.FRAMES, frames=1) == [3]
    (tmp_path / "6.png").unlink()
    assert shown(one, Input.FRAME) == [3, 4, 5, 7, 8, 9], "a lost frame is left out"


def test_the_frame_of_greatest_motion_is_found(tmp_path: Path) -> None:
    face, strength = texture(), [0, 0.2, 0.5, 0.8, 1.0, 1.6, 1.2, 0.6, 0.2]
    for number, each in enumerate(strength, 1):
        save(tmp_path / f"{number}.png", moved(face, each * bump(), 0.3 * number)[..., ::-1])  # a head that drifts
    found = clip_images(clip(tmp_path), recipe(Input.FLOW, apex="greatest_flow"))
    assert found.note == ClipNote(6, ApexSource.FLOW) and found.images[0][32, 32, 0] > STILL[0] + 60
    within = clip_images(clip(tmp_path, onset=1, offset=4), recipe(Input.FLOW, apex="greatest_flow"))
    assert within.note.apex in {3, 4}
    given = clip_images(clip(tmp_path, apex=2), recipe(Input.FLOW, apex_unknown="greatest_flow"))
    assert given.note == ClipNote(2, ApexSource.GIVEN)
    unknown = clip_images(clip(tmp_path), recipe(Input.FLOW, apex_unknown="greatest_flow"))
    assert unknown.note == found.note
    np.testing.assert_array_equal(unknown.images, found.images)


def test_an_aligned_clip_goes_through_the_transform_of_its_onset(tmp_path: Path) -> None:
    drawn = person(0)
    film(tmp_path, drawn)
    one = clip(tmp_path, onset=1, apex=4, offset=9)
    faces = clip_images(one, recipe(Input.FRAMES, 64, align="face", frames=3))
    assert faces.images.shape == (3, 64, 64, 3) and faces.note == ClipNote(face=FaceSource.EYES)
    apex = clip_images(one, recipe(Input.IMAGE, 64, align="face", mask="mouth"))
    kept = mask((Region.MOUTH,), 64)
    assert (apex.images[0][~cv2.dilate(kept.astype(np.uint8), np.ones((3, 3))).astype(bool)] == STILL).all()
    assert apex.note == ClipNote(4, ApexSource.GIVEN, FaceSource.EYES)


def test_the_expression_shows_in_the_flow_of_an_aligned_film_and_a_neutral_face_is_still(tmp_path: Path) -> None:
    asked = recipe(Input.FLOW, align="face", head_motion="rigid")

    def motion(label: str) -> Image:
        folder = film(tmp_path / label, person(0, label))
        return np.abs(clip_images(clip(folder, onset=1, apex=4), asked).images[0].astype(int) - STILL)

    surprise, neutral = motion("surprise"), motion("neutral")
    brows = mask((Region.BROWS,), 64)
    assert surprise[brows].mean() > 4 * neutral[brows].mean()


def test_ready_flow_images_and_single_pictures(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", picture(3, 64)[..., ::-1])
    for options in ({}, {"align": "face", "mask": "mouth", "scale": "image", "head_motion": "rigid"}):
        ready = clip_images(clip(path), recipe(Input.FLOW, **options))
        np.testing.assert_array_equal(ready.images, [picture(3, 64)])
        assert ready.note == ClipNote()
    face = save(tmp_path / "b.png", person(0).frame()[..., ::-1])
    for input in (Input.IMAGE, Input.FRAME, Input.FRAMES):
        aligned = clip_images(clip(face), recipe(input, align="face"))
        assert aligned.images.shape == (1, 64, 64, 3) and aligned.note == ClipNote(face=FaceSource.EYES)


def test_frames_without_a_face_are_taken_whole(tmp_path: Path) -> None:
    for number, across in ((1, 0), (2, 2)):
        save(tmp_path / f"{number}.png", moved(texture(128), across * bump(128, (64, 64), 12), 0)[..., ::-1])
    found = clip_images(clip(tmp_path, onset=1, apex=2), recipe(Input.FLOW, align="face"))
    assert found.note.face is FaceSource.WHOLE and found.images[0][32, 32, 0] > STILL[0] + 20


@pytest.mark.few(1)
@pytest.mark.parametrize("input", Input)
def test_the_same_clip_gives_the_same_images(tmp_path: Path, input: Input) -> None:
    one = replace(clip(film(tmp_path, person(3))), fps=100.0)
    asked = recipe(input, align="face", apex="greatest_flow", magnify={"alpha": 4, "low_hz": 5, "high_hz": 30})
    first, second = clip_images(one, asked), clip_images(one, asked)
    np.testing.assert_array_equal(first.images, second.images)
    assert first.note == second.note


def test_a_folder_without_frames_is_refused(tmp_path: Path) -> None:
    (tmp_path / "film").mkdir()
    with pytest.raises(DataError, match="holds no numbered images"):
        clip_images(clip(tmp_path / "film"), PLAIN)


def test_magnification_needs_the_cameras_rate(tmp_path: Path) -> None:
    asked = recipe(Input.IMAGE, magnify={"alpha": 4, "low_hz": 1, "high_hz": 3})
    with pytest.raises(DataError, match="camera's rate of clip c"):
        clip_images(clip(levels(tmp_path)), asked)


def test_the_digest_is_of_pixels_recipe_and_frames_and_of_nothing_else(tmp_path: Path) -> None:
    for number in range(1, 6):
        save(tmp_path / "film" / f"{number}.png", picture(number))
    first = clip(tmp_path / "film", onset=1, apex=3)

    def digest(one: Clip, asked: Recipe) -> bytes:
        return plan_digest(plan_clip(one, asked), asked)

    flow = recipe(Input.FLOW)
    found = digest(first, flow)
    assert len(found) == 32
    assert found == digest(replace(first, clip="other", subject="lab/02", line=9), flow)
    unused = recipe(Input.IMAGE, flow="farneback", head_motion="rigid", scale="image", frames=9)
    assert digest(first, unused) == digest(first, recipe(Input.IMAGE)), "options without effect make no cache useless"
    others = [digest(first, recipe(input)) for input in (Input.IMAGE, Input.FRAME, Input.FRAMES)]
    changes: list[dict[str, object]] = [
        {"flow": "farneback"},
        {"head_motion": "none"},
        {"head_motion": "rigid"},
        {"scale": "image"},
        {"align": "face"},
        {"align": "face", "mask": ["brows", "mouth"]},
        {"align": "face", "mask": "mouth"},
        {"apex": "greatest_flow"},
    ]
    others += [digest(first, recipe(Input.FLOW, **each)) for each in changes]
    others += [digest(first, recipe(Input.FLOW, 32)), digest(replace(first, apex=4), flow)]
    others += [
        digest(replace(first, fps=fps), recipe(Input.FLOW, magnify={"alpha": alpha, "low_hz": 1, "high_hz": 3}))
        for fps, alpha in ((30.0, 4), (200.0, 4), (30.0, 8))
    ]
    save(tmp_path / "film" / "3.png", picture(99))
    others.append(digest(first, flow))
    assert found not in others and len(set(others)) == len(others)


def test_frames_that_are_not_needed_are_not_read(tmp_path: Path) -> None:
    film(tmp_path, person(1))
    for number in (2, 3, 5, 6, 7, 8, 9):
        (tmp_path / f"img{number}.png").write_bytes(b"no image")
    one = clip(tmp_path, onset=1, apex=4, offset=9)
    for asked in (recipe(Input.FLOW, align="face"), recipe(Input.IMAGE, align="face"), recipe(Input.FLOW)):
        assert set(plan_clip(one, asked).numbers) == {1, 4}
        clip_images(one, asked)
    assert read_image(frame_files(tmp_path)[4]).shape == (240, 320, 3)

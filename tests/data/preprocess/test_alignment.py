"""Faces are found, and one similarity brings their eyes to their places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.contract.preprocess import Region
from p2pfl_me.data.preprocess.alignment import SIDE, align_eyes, align_whole
from p2pfl_me.data.preprocess.faces import EyesSource, find_face, find_faces
from p2pfl_me.data.preprocess.inputs import align_frame
from p2pfl_me.data.preprocess.note import ClipNote, FaceSource, in_words
from p2pfl_me.data.preprocess.regions import EYE_DISTANCE, MIDDLE, mask, rectangles
from tests.data.preprocess.make import SMALL, person, texture

PLACES = (
    ((MIDDLE[0] - EYE_DISTANCE / 2) * SIDE, MIDDLE[1] * SIDE),
    ((MIDDLE[0] + EYE_DISTANCE / 2) * SIDE, MIDDLE[1] * SIDE),
)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.floats(50, 300), st.floats(50, 300)),
    st.floats(20, 200),
    st.floats(-0.6, 0.6),
)
def test_eyes_come_to_their_places_and_shapes_stay(eye: tuple[float, float], apart: float, tilt: float) -> None:
    other = (eye[0] + apart * np.cos(tilt), eye[1] + apart * np.sin(tilt))
    alignment = align_eyes(eye, other)
    there = np.array([eye, other]) @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    np.testing.assert_allclose(there, PLACES, atol=1e-6)
    np.testing.assert_allclose(alignment.to_frame(there), [eye, other], atol=1e-6)
    turn = alignment.matrix[:, :2]
    np.testing.assert_allclose(turn @ turn.T, np.eye(2) * (EYE_DISTANCE * SIDE / apart) ** 2, rtol=1e-9, atol=1e-9)


def test_the_whole_frame_is_stretched_edge_to_edge() -> None:
    alignment = align_whole(384, 96)
    edges = np.array([(-0.5, -0.5), (383.5, 95.5)]) @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    np.testing.assert_allclose(edges, [(-0.5, -0.5), (SIDE - 0.5, SIDE - 0.5)])


def test_drawn_faces_are_found_with_their_eyes() -> None:
    off, seen = [], 0
    for number in range(12):
        drawn = person(number)
        face = find_face(drawn.frame())
        if face is None or face.eyes is not EyesSource.SEEN:
            continue
        seen += 1
        true = np.array([drawn.eye("left"), drawn.eye("right")])
        distance = np.linalg.norm(true[1] - true[0])
        off.append(np.linalg.norm(np.array([face.left_eye, face.right_eye]) - true, axis=1).max() / distance)
    assert seen >= 9 and np.median(off) < 0.05


def test_an_aligned_film_shows_eyes_level_and_where_they_belong() -> None:
    drawn = person(0)
    alignment, source = align_frame(drawn.frame())
    assert source is FaceSource.EYES
    true = np.array([drawn.eye("left"), drawn.eye("right")])
    there = true @ alignment.matrix[:, :2].T + alignment.matrix[:, 2]
    np.testing.assert_allclose(there, PLACES, atol=0.06 * EYE_DISTANCE * SIDE)
    assert alignment.picture(drawn.frame(4)).shape == (SIDE, SIDE, 3)


def test_a_frame_without_a_face_is_taken_whole() -> None:
    alignment, source = align_frame(texture(120))
    assert source is FaceSource.WHOLE
    np.testing.assert_allclose(alignment.matrix, align_whole(120, 120).matrix)


def test_two_people_are_two_faces_the_larger_first() -> None:
    one, two = person(0).frame(), person(5).frame()
    small = two[::2, ::2]
    both = np.full((SMALL.height, 2 * SMALL.width, 3), 128, dtype=np.uint8)
    both[:, : SMALL.width] = one
    both[60 : 60 + len(small), SMALL.width + 40 : SMALL.width + 40 + small.shape[1]] = small
    found = find_faces(both)
    assert len(found) == 2 and found[0].side > 1.5 * found[1].side
    assert found[0].left_eye[0] < SMALL.width < found[1].left_eye[0]


def test_of_two_faces_that_are_as_large_the_choice_is_told() -> None:
    one, two = person(3).frame(), person(4).frame()
    _, source = align_frame(np.ascontiguousarray(np.hstack((one, two))))
    assert source is FaceSource.LARGEST
    (said,) = in_words((ClipNote(face=source), ClipNote(face=FaceSource.EYES)))
    assert "two faces as large are found in 1 of 2 clips" in said
    assert ClipNote.from_bytes(ClipNote(face=source).to_bytes()).face is source


@pytest.mark.thorough
def test_a_face_that_fills_a_cropped_frame_is_found_with_its_eyes() -> None:
    found = 0
    for number in range(8):
        drawn = person(number)
        eyes = np.array([drawn.eye("left"), drawn.eye("right")])
        apart, middle = float(np.linalg.norm(eyes[1] - eyes[0])), eyes.mean(axis=0)
        corner = np.maximum(np.round(middle - (1.05 * apart, 0.75 * apart)), 0).astype(int)
        across, down = np.add(corner, (2.1 * apart, 2.5 * apart)).astype(int)
        cropped = drawn.frame()[corner[1] : down, corner[0] : across]
        face = find_face(np.ascontiguousarray(cropped))
        if face is not None and face.eyes is EyesSource.SEEN:
            off = np.array([face.left_eye, face.right_eye]) - (eyes - corner)
            found += bool(np.linalg.norm(off, axis=1).max() < 0.12 * apart)
    assert found >= 5


def test_shrinking_does_not_make_noise_of_what_is_too_fine_to_show() -> None:
    stripes = np.zeros((480, 640, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    out = align_eyes((220, 200), (420, 200)).picture(stripes)[10:-10, 10:-10]
    assert np.ptp(out.astype(int)) < 40 and abs(float(out.mean()) - 127.5) < 3


@pytest.mark.parametrize("side", [64, 128, 192])
def test_regions_lie_in_the_face_and_apart_at_every_size(side: int) -> None:
    face = mask((Region.FACE,), side)
    parts = [mask((region,), side) for region in (Region.BROWS, Region.EYES, Region.MOUTH)]
    assert all(part.any() and (part & face).sum() > 0.75 * part.sum() for part in parts)
    assert not (parts[0] & parts[1]).any() and not (parts[1] & parts[2]).any()
    np.testing.assert_array_equal(mask((Region.BROWS, Region.MOUTH), side), parts[0] | parts[2])
    for region in Region:
        for left, top, right, bottom in rectangles(region, side):
            assert 0 <= left < right <= side and 0 <= top < bottom <= side
    for (left, top, right, bottom), eye in zip(rectangles(Region.EYES, side), PLACES, strict=True):
        assert left < eye[0] / SIDE * side < right and top < eye[1] / SIDE * side < bottom

"""An image, a folder of frames and a film are scored as the contract prepares them; bad inputs are named."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from p2pfl_me.data.clip import Clip
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.data.synthetic.film import FilmPlan
from p2pfl_me.data.synthetic.film import film_frames as drawn_frames
from p2pfl_me.deploy import film as films
from p2pfl_me.deploy.observed import require_observed
from p2pfl_me.deploy.predict import Kind, predict
from p2pfl_me.errors import DataError
from p2pfl_me.learning.recogniser import Recogniser, load_recogniser
from tests.data.make import contract, picture, save
from tests.deploy.runs import film, pictures_run


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    folder = tmp_path_factory.mktemp("predict")
    return load_recogniser(pictures_run(folder), home=folder)


def test_an_image_a_clip_and_a_film(recogniser: Recogniser, tmp_path: Path) -> None:
    image = save(tmp_path / "face.png", picture(1, 64))
    found = predict(recogniser, image, as_it_is=True)
    assert found.kind is Kind.IMAGE and found.samples == 1
    assert list(found.probabilities) == list(recogniser.classes)
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert found.probabilities[found.label] == max(found.probabilities.values())
    for index in range(5):  # the middle frame is the picture above
        save(tmp_path / "clip" / f"img{index + 1}.png", picture(1 if index == 2 else 50 + index, 64))
    clip = predict(recogniser, tmp_path / "clip", as_it_is=True)
    assert clip.kind is Kind.CLIP
    assert clip.probabilities == pytest.approx(found.probabilities, abs=1e-6)
    moving = predict(recogniser, film(tmp_path / "film.avi", 12), as_it_is=True)
    assert moving.kind is Kind.FILM and set(moving.probabilities) == set(recogniser.classes)


def test_a_film_is_its_frames_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with films.film_frames(film(tmp_path / "film.avi", 7)) as frames:
        files = sorted(frames.folder.iterdir())
        assert frames.count == len(files) == 7 and frames.fps == 30
        assert frames.folder.stat().st_mode & 0o077 == 0, "nobody else may look"
    assert not frames.folder.exists()


def test_bad_inputs_are_named(recogniser: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "junk.png").write_bytes(b"junk")
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 100)
    (tmp_path / "empty").mkdir()
    whole = film(tmp_path / "whole.avi", 30).read_bytes()
    (tmp_path / "half.avi").write_bytes(whole[: len(whole) // 2])
    for path, says in [
        (tmp_path / "none.png", "no such file"),
        (tmp_path / "junk.png", "is not an image"),
        (tmp_path / "junk.mp4", "no film that OpenCV can read"),
        (tmp_path / "empty", "no numbered images"),
        (tmp_path / "half.avi", "of the 30 pictures"),
    ]:
        with pytest.raises(DataError, match=says):
            predict(recogniser, path)
    monkeypatch.setattr(films, "LONGEST", 3)
    with pytest.raises(DataError, match="more than 3 frames"):
        predict(recogniser, film(tmp_path / "long.avi", 5))


def test_scores_do_not_depend_on_what_stands_beside(recogniser: Recogniser) -> None:
    images = np.stack([picture(seed, 64) for seed in range(3)])
    alone = np.concatenate([recogniser.scores(images[index : index + 1]) for index in range(3)])
    np.testing.assert_allclose(recogniser.scores(images), alone, atol=1e-5)


@pytest.fixture(scope="module")
def face() -> list[np.ndarray]:
    """Six frames of a drawn person who sways, BGR."""
    plan = FilmPlan(micro=1, blinks=0, turns=0, seed=4)
    return [frame[..., ::-1].copy() for frame in islice(drawn_frames(plan), 0, 60, 10)]


def clip_of(folder: Path, frames: Iterable[np.ndarray]) -> Path:
    for number, frame in enumerate(frames, 1):
        save(folder / f"{number}.png", frame)
    return folder


def film_of(path: Path, frames: list[np.ndarray]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.mark.thorough
def test_a_face_that_moves_is_named(recogniser: Recogniser, tmp_path: Path, face: list[np.ndarray]) -> None:
    for path in (
        clip_of(tmp_path / "clip", face),
        film_of(tmp_path / "film.avi", face),
        save(tmp_path / "a.png", face[0]),
    ):
        assert predict(recogniser, path).label in recogniser.classes


@pytest.mark.thorough
def test_no_class_is_named_without_a_face_or_a_motion(
    recogniser: Recogniser, tmp_path: Path, face: list[np.ndarray]
) -> None:
    noise = [picture(seed, 120) for seed in range(6)]
    sideways = [np.rot90(frame).copy() for frame in face]
    two = [np.hstack((frame, frame)) for frame in face]
    black = [np.zeros_like(face[0])] * 3
    for name, frames, says in [
        ("noise", noise, "shows no face"),
        ("sideways", sideways, "shows no face"),
        ("two", two, "two faces that are as large"),
        ("black", black, r"black throughout"),
        ("still", [face[0]] * 4, "one and the same"),
        ("one", face[:1], "holds one picture"),
    ]:
        for path in (clip_of(tmp_path / name, frames), film_of(tmp_path / f"{name}.avi", frames)):
            with pytest.raises(DataError, match=says):
                predict(recogniser, path)
    for name, image, says in (("n", noise[0], "no face"), ("s", sideways[0], "no face"), ("b", black[0], "black")):
        with pytest.raises(DataError, match=says):
            predict(recogniser, save(tmp_path / f"{name}.png", image))


def test_a_model_of_motion_names_nothing_of_a_face_that_is_gone_or_alone(
    tmp_path: Path, face: list[np.ndarray]
) -> None:
    recipe = recipe_of(contract("model: {input: flow}\n").model)

    def observed(path: Path) -> None:
        require_observed(Clip(path, "", "", path.name, ""), recipe, name=path)

    random = np.random.default_rng(1)
    noise = [random.integers(90, 110, face[0].shape).astype(np.uint8) for _ in range(3)]
    observed(clip_of(tmp_path / "whole", face))
    mixed = [np.flipud(face[0]) if number % 2 else face[0] for number in range(8)]
    with pytest.raises(DataError, match="as where two people's frames are mixed"):
        observed(clip_of(tmp_path / "mixed", mixed))
    with pytest.raises(DataError, match=r"shows a face in 1 of 2 pictures that were looked at"):
        observed(clip_of(tmp_path / "leaves", [*face[:3], *noise]))
    with pytest.raises(DataError, match="throughout"):
        observed(clip_of(tmp_path / "dark", [*face[:3], *(np.full_like(face[0], 9),) * 3]))
    with pytest.raises(DataError, match="shows a face, and this model sees motion"):
        observed(save(tmp_path / "face.png", face[0]))
    observed(save(tmp_path / "flow.png", picture(1, 64)))

"""An image, a folder of frames and a film are scored as the contract prepares them; bad inputs are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.deploy import film as films
from p2pfl_me.deploy.predict import Kind, predict
from p2pfl_me.errors import DataError
from p2pfl_me.learning.recogniser import Recogniser, load_recogniser
from tests.data.make import picture, save
from tests.deploy.runs import film, pictures_run


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory: pytest.TempPathFactory) -> Recogniser:
    folder = tmp_path_factory.mktemp("predict")
    return load_recogniser(pictures_run(folder), home=folder)


def test_an_image_a_clip_and_a_film(recogniser: Recogniser, tmp_path: Path) -> None:
    image = save(tmp_path / "face.png", picture(1, 64))
    found = predict(recogniser, image)
    assert found.kind is Kind.IMAGE and found.samples == 1
    assert list(found.probabilities) == list(recogniser.classes)
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert found.probabilities[found.label] == max(found.probabilities.values())
    for index in range(5):  # the middle frame is the picture above
        save(tmp_path / "clip" / f"img{index + 1}.png", picture(1 if index == 2 else 50 + index, 64))
    clip = predict(recogniser, tmp_path / "clip")
    assert clip.kind is Kind.CLIP
    assert clip.probabilities == pytest.approx(found.probabilities, abs=1e-6)
    moving = predict(recogniser, film(tmp_path / "film.avi", 12))
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

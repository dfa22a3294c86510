"""Whatever lies on the disk becomes one uint8 RGB image of the asked size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.contract.preprocess import Input, Preprocess
from p2pfl_me.data.images import frame_files, read_image
from p2pfl_me.data.manifest import Clip
from p2pfl_me.data.preprocess.inputs import clip_images
from p2pfl_me.data.preprocess.recipe import Recipe
from p2pfl_me.errors import DataError
from tests.data.make import picture, save


@pytest.mark.parametrize("side", [28, 64, 200])
@pytest.mark.parametrize("kind", ["colour", "grey", "alpha", "deep"])
def test_any_picture_becomes_rgb_of_the_asked_size(tmp_path: Path, side: int, kind: str) -> None:
    image = np.full((side, side + 6, 3), (10, 100, 200), dtype=np.uint8)  # OpenCV writes blue, green, red
    made = {
        "colour": image,
        "grey": image[..., 1],
        "alpha": np.dstack([image, image[..., :1]]),
        "deep": image.astype(np.uint16) * 257,
    }[kind]
    path = save(tmp_path / "a.png", made)
    for way in Input:  # a single picture is a flow image already
        (out,) = clip_images(Clip(path, "lab", "lab/01", "c", "positive"), Recipe(way, 64, Preprocess())).images
        assert out.shape == (64, 64, 3) and out.dtype == np.uint8
        assert tuple(out[32, 32]) == ((100, 100, 100) if kind == "grey" else (200, 100, 10))


def test_frames_are_sorted_as_numbers_and_only_images_count(tmp_path: Path) -> None:
    for name in ("reg_img9.png", "reg_img10.png", "reg_img100.png"):
        save(tmp_path / name, picture(1))
    (tmp_path / "notes12.txt").write_text("")
    (tmp_path / "cover.png").write_bytes(b"")
    (tmp_path / "._reg_img11.png").write_bytes(b"")
    assert list(frame_files(tmp_path)) == [9, 10, 100]


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"text"])
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.png: is not an image"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path / "b.png")

"""Whatever lies on the disk becomes one uint8 RGB image of the asked size; motion becomes a flow image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from p2pfl_me.data.flow import FLOW_SCALE, STILL, flow_image
from p2pfl_me.data.images import content_digest, frame_files, load_input, read_image
from p2pfl_me.data.manifest import Clip
from p2pfl_me.errors import DataError
from tests.data.make import picture, save

Image = npt.NDArray[np.uint8]


def clip(path: Path, **known: int) -> Clip:
    return Clip(path, "lab", "lab/01", "c", "positive", **known)


def texture(side: int = 96, seed: int = 0) -> Image:
    """Something for the flow to hold on to."""
    noise = np.random.default_rng(seed).integers(0, 256, size=(side, side, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.asarray(cv2.normalize(smooth, smooth, 0, 255, cv2.NORM_MINMAX), dtype=np.uint8)


def moved(image: Image, across: npt.NDArray[np.float32] | float, down: npt.NDArray[np.float32] | float) -> Image:
    y, x = np.mgrid[: len(image), : len(image)].astype(np.float32)
    where = (np.asarray(x - across, np.float32), np.asarray(y - down, np.float32))
    return np.asarray(cv2.remap(image, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), dtype=np.uint8)


def bump(side: int = 96, at: tuple[int, int] = (48, 48), radius: float = 10) -> npt.NDArray[np.float32]:
    y, x = np.mgrid[:side, :side].astype(np.float32)
    return np.asarray(np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * radius**2)), dtype=np.float32)


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
    for way in ("image", "flow"):  # a single picture is a flow image already
        out = load_input(clip(save(tmp_path / "a.png", made)), way, 64)  # type: ignore[arg-type]
        assert out.shape == (64, 64, 3) and out.dtype == np.uint8
        assert tuple(out[32, 32]) == ((100, 100, 100) if kind == "grey" else (200, 100, 10))


def test_frames_are_sorted_as_numbers_and_only_images_count(tmp_path: Path) -> None:
    for name in ("reg_img9.png", "reg_img10.png", "reg_img100.png"):
        save(tmp_path / name, picture(1))
    (tmp_path / "notes12.txt").write_text("")
    (tmp_path / "cover.png").write_bytes(b"")
    (tmp_path / "._reg_img11.png").write_bytes(b"")
    assert list(frame_files(tmp_path)) == [9, 10, 100]


def test_the_apex_is_taken_and_midway_where_it_is_unknown(tmp_path: Path) -> None:
    for number in range(1, 12):
        save(tmp_path / f"{number}.png", np.full((8, 8), number, dtype=np.uint8))

    def frame(**known: int) -> int:
        return int(load_input(clip(tmp_path, **known), "image", 8)[0, 0, 0])

    assert frame(apex=7) == 7 and frame() == 6 and frame(onset=1, offset=5) == 3 and frame(onset=7) == 9
    with pytest.raises(DataError, match=r"no frame 12 \(it has 1 to 11\)"):
        frame(apex=12)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"text"])
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match=r"a\.png: is not an image"):
        read_image(tmp_path / "a.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_image(tmp_path / "b.png")


def test_the_digest_changes_with_pixels_kind_size_and_apex_and_with_nothing_else(tmp_path: Path) -> None:
    for number in range(1, 6):
        save(tmp_path / "film" / f"{number}.png", picture(number))
    first = clip(tmp_path / "film", onset=1, apex=3)
    digest = content_digest(first, "flow", 64)
    assert len(digest) == 32
    assert digest == content_digest(replace(first, clip="other", subject="lab/02", line=9), "flow", 64)
    others = {
        content_digest(first, "image", 64),
        content_digest(first, "flow", 32),
        content_digest(replace(first, apex=4), "flow", 64),
    }
    save(tmp_path / "film" / "3.png", picture(99))
    assert digest not in {*others, content_digest(first, "flow", 64)} and len(others) == 3


def test_no_motion_and_head_motion_are_still() -> None:
    face = texture()
    assert np.abs(flow_image(face, face, 64).astype(int) - STILL).max() <= 1
    shifted = flow_image(face, moved(face, 1.0, -0.5), 64)[8:-8, 8:-8]
    assert np.abs(shifted.astype(int) - STILL).mean() < 4


@pytest.mark.parametrize(("across", "down"), [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_local_motion_shows_with_its_sign_and_size(across: float, down: float) -> None:
    face = texture()
    out = flow_image(face, moved(face, across * bump(), down * bump()), 96).astype(float) - STILL
    seen = out[42:55, 42:55, :2].mean(axis=(0, 1)) * FLOW_SCALE / 127
    assert np.allclose(seen, (across * 0.85, down * 0.85), atol=0.3)
    ring, corner = out[48, 36:40, 2].mean() + out[36:40, 48, 2].mean(), out[5:15, 5:15, 2].mean()
    assert ring > corner + 2  # strain sits where the skin stretches


def test_amplitude_survives() -> None:
    face = texture()
    weak, strong = (
        np.abs(flow_image(face, moved(face, s * bump(), 0), 64).astype(int) - STILL).sum() for s in (0.4, 1)
    )
    assert strong > 1.7 * weak


def test_frames_of_other_sizes_and_in_grey_give_the_same_flow_image_size(tmp_path: Path) -> None:
    face = texture(280)
    save(tmp_path / "1.png", face[..., 0])
    save(tmp_path / "2.png", moved(face, 3 * bump(280, (140, 140), 30), 0)[..., 0])
    out = load_input(clip(tmp_path, onset=1, apex=2), "flow", 64)
    assert out.shape == (64, 64, 3) and out[32, 32, 0] > STILL[0] + 20

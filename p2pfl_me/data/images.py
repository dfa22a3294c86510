"""From a clip on disk to the one image that the network takes."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.flow import flow_image
from p2pfl_me.data.manifest import Clip
from p2pfl_me.errors import DataError

Image = npt.NDArray[np.uint8]
IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def load_input(clip: Clip, kind: Literal["image", "flow"], size: int) -> Image:
    """The network's input for one clip, uint8 (size, size, 3).

    Parameters
    ----------
    kind:
        `image` takes the picture, or the apex frame of a folder of frames. `flow` takes the motion from onset to
        apex of a folder; a single picture is taken as a flow image already.

    Raises
    ------
    DataError
        A file is missing or is no image, or a folder lacks the frame.
    """
    if not clip.path.is_dir():
        return _resized(read_image(clip.path), size)
    frames = frame_files(clip.path)
    if kind == "image":
        return _resized(read_image(_frame(clip, frames, clip.apex, middle=True)), size)
    onset = _frame(clip, frames, clip.onset, middle=False)
    return flow_image(read_image(onset), read_image(_frame(clip, frames, clip.apex, middle=True)), size)


def content_digest(image: Image) -> bytes:
    """SHA-256 (32 bytes) of the pixels: what a cached feature is kept under."""
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).digest()


def read_image(path: Path) -> Image:
    """An image file as uint8 RGB (H, W, 3); grey is repeated, 16 bits are reduced to 8, transparency is dropped.

    Raises
    ------
    DataError
        Missing, or no image.
    """
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path), fix="correct the path") from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise DataError("is not an image", where=str(path), fix="`p2pme data check` lists all such files")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def frame_files(folder: Path) -> dict[int, Path]:
    """Frames of a clip by number, the last number in each name; sorted as numbers, never as text."""
    found = {}
    for path in folder.iterdir():
        if path.suffix.lower() in IMAGES and (numbers := re.findall(r"\d+", path.stem)):
            found[int(numbers[-1])] = path
    return dict(sorted(found.items()))


def _frame(clip: Clip, frames: dict[int, Path], number: int | None, *, middle: bool) -> Path:
    """Frame `number`; where it isn't known, the first, or the middle one (SMIC publishes no apex)."""
    if not frames:
        raise DataError("holds no numbered images", where=str(clip.path), fix="correct the path or remove the row")
    if number is None:
        return frames[list(frames)[len(frames) // 2 if middle else 0]]
    if number not in frames:
        raise DataError(
            f"has no frame {number} (it has {min(frames)} to {max(frames)})",
            where=str(clip.path),
            fix=f"correct onset and apex of clip {clip.clip}",
        )
    return frames[number]


def _resized(image: Image, size: int) -> Image:
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) > size
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=way), dtype=np.uint8)

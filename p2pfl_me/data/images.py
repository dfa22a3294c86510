"""From a clip on disk to the one image that the network takes."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.flow import RECIPE, flow_image
from p2pfl_me.data.manifest import Clip
from p2pfl_me.errors import DataError

Image = npt.NDArray[np.uint8]
Kind = Literal["image", "flow"]
LAST_NUMBER = re.compile(r"([0-9]+)[^0-9]*$")
IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def load_input(clip: Clip, kind: Kind, size: int) -> Image:
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
    files = input_files(clip, kind)
    if len(files) == 2:
        return flow_image(read_image(files[0]), read_image(files[1]), size)
    return _resized(read_image(files[0]), size)


def input_files(clip: Clip, kind: Kind) -> tuple[Path, ...]:
    """The files that one input is made of: a picture, or onset and apex.

    Raises
    ------
    DataError
        A folder lacks a frame.
    """
    if not clip.path.is_dir():
        return (clip.path,)
    frames = frame_files(clip.path)
    apex = _frame(clip, frames, clip.apex, middle=True)
    return (apex,) if kind == "image" else (_frame(clip, frames, clip.onset, middle=False), apex)


def content_digest(clip: Clip, kind: Kind, size: int) -> bytes:
    """SHA-256 (32 bytes) of the files and of how they become an input: what a cached feature is kept under.

    Raises
    ------
    DataError
        A file cannot be read.
    """
    files = input_files(clip, kind)
    way = f"{kind} {size} {len(files)} {RECIPE}"
    digest = hashlib.sha256(way.encode())
    for path in files:
        digest.update(hashlib.sha256(_bytes_of(path)).digest())
    return digest.digest()


def read_image(path: Path) -> Image:
    """An image file as uint8 RGB (H, W, 3); grey is repeated, 16 bits are reduced to 8, transparency is dropped.

    Raises
    ------
    DataError
        Missing, or no image.
    """
    data = np.frombuffer(_bytes_of(path), dtype=np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error as error:  # sizes beyond OpenCV's limits
        raise DataError(f"cannot be decoded: {error.err}", where=str(path), fix="save it again, smaller") from error
    if image is None:
        raise DataError("is not an image", where=str(path), fix="`p2pme data check` lists all such files")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path), fix="correct the path") from error


def frame_files(folder: Path) -> dict[int, Path]:
    """Frames of a clip by number, the last number in each name; sorted as numbers, never as text.

    Hidden files are no frames: some systems leave copies like `._img1.jpg` behind.
    """
    found = {}
    for name in sorted((entry.name for entry in os.scandir(folder)), reverse=True):
        if (number := _number_of(name)) is not None:
            found[number] = folder / name
    return dict(sorted(found.items()))


def frame_numbers(folder: Path) -> list[int]:
    """The numbers of `frame_files` alone, for folders of many thousand frames; empty where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted({number for name in names if (number := _number_of(name)) is not None})


def _number_of(name: str) -> int | None:
    stem, dot, suffix = name.rpartition(".")
    if not stem or name.startswith(".") or dot + suffix.lower() not in IMAGES:
        return None
    found = LAST_NUMBER.search(stem)
    return int(found[1]) if found else None


def _frame(clip: Clip, frames: dict[int, Path], number: int | None, *, middle: bool) -> Path:
    """Frame `number`; where it isn't known, the first, or the one midway to the offset (SMIC publishes no apex)."""
    if not frames:
        raise DataError("holds no numbered images", where=str(clip.path), fix="correct the path or remove the row")
    if number is None:
        first = min(frames) if clip.onset is None else clip.onset
        last = max(frames) if clip.offset is None else clip.offset
        within = [each for each in frames if first <= each <= last] or list(frames)
        return frames[within[len(within) // 2 if middle else 0]]
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

"""Image files and folders of numbered frames, as they lie on the disk."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.errors import DataError

Image = npt.NDArray[np.uint8]
LAST_NUMBER = re.compile(r"([0-9]+)[^0-9]*$")
LEAST = 8
"""Pixels that the shorter side of a picture must have; in fewer nobody would know a face."""
IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


def read_image(path: Path) -> Image:
    """An image file as uint8 RGB (H, W, 3); grey is repeated, 16 bits are reduced to 8, transparency is dropped.

    Raises
    ------
    DataError
        Missing, no image, or next to no pixels.
    """
    data = np.frombuffer(file_bytes(path), dtype=np.uint8)
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error as error:  # sizes beyond OpenCV's limits
        raise DataError(f"cannot be decoded: {error.err}", where=str(path), fix="save it again, smaller") from error
    if image is None:
        raise DataError("is not an image", where=str(path), fix="`p2pme data check` lists all such files")
    if min(image.shape[:2]) < LEAST:
        raise DataError(
            f"is {image.shape[1]}x{image.shape[0]} pixels, and no face can be seen in it",
            where=str(path),
            fix=f"bring a picture of {LEAST}x{LEAST} at the very least",
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def file_bytes(path: Path) -> bytes:
    """What a file holds.

    Raises
    ------
    DataError
        It cannot be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for without end
            raise DataError("is not a file", where=str(path), fix="correct the path")
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


def resized(image: Image, size: int) -> Image:
    """An image (H, W, 3) as (size, size, 3), stretched to a square."""
    if image.shape[:2] == (size, size):
        return image
    shrinks = min(image.shape[:2]) > size
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=way), dtype=np.uint8)

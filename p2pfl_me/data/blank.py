"""Pictures that show nothing: one colour but for a little noise, as a covered lens or a failed decoder gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from p2pfl_me.data.images import read_image
from p2pfl_me.errors import DataError

Image = npt.NDArray[np.uint8]

FLAT = 8
"""Steps of brightness, of 255, that one colour may differ by within a picture."""
DARK = 24


def is_blank(image: Image) -> bool:
    """Whether a uint8 picture (H, W, 3) or (H, W) has one colour alone."""
    flat = image.reshape(-1, image.shape[2] if image.ndim == 3 else 1)
    # Most pictures show it in a few points of one colour, and the rest need not be looked at.
    some = flat[:: max(1, len(flat) // 256), 0]
    if int(some.max()) - int(some.min()) >= FLAT:
        return False
    return int(np.ptp(flat, axis=0).max()) < FLAT


def blank_words(image: Image) -> str:
    """What such a picture shows, in words."""
    colour = "black" if int(image.max()) <= DARK else "one colour"
    return f"shows nothing: it is {colour} throughout"


def read_shown(path: Path) -> Image:
    """A picture that shows something, as `read_image` gives it.

    Raises
    ------
    DataError
        As there, or it is of one colour.
    """
    image = read_image(path)
    if is_blank(image):
        raise DataError(
            blank_words(image), where=str(path), fix="export the frame anew, or leave its clip out (`p2pme data check`)"
        )
    return image

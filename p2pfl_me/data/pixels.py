"""Films whose pixels are not square, as of PAL, NTSC, DV and AVCHD: as they lie in the file, a face is squeezed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

SQUARE = 0.01
"""By so much a pixel may be wider than high before anybody sees it."""
MOST = 4.0
"""A pixel that is so much wider than high, or higher than wide, is a slip of the file."""


@dataclass(frozen=True)
class Shape:
    """The size at which a film's pixels are square, and how they were: `across` : `down`."""

    width: int
    height: int
    across: int
    down: int

    @property
    def words(self) -> str:
        size = f"{self.width}x{self.height}"
        return f"has pixels that are not square ({self.across}:{self.down}): its pictures are shown at {size}"

    def of(self, image: Image) -> Image:
        """A picture (H, W, 3) with square pixels."""
        return np.asarray(cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def shape_of(capture: cv2.VideoCapture, first: Image) -> Shape | None:
    """How a film's pixels become square; None where they are, or nothing is stated. No row or column is lost."""
    across, down = (int(capture.get(each)) for each in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
    if across <= 0 or down <= 0 or not 1 / MOST <= across / down <= MOST or abs(across / down - 1) <= SQUARE:
        return None
    if int(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 and capture.get(cv2.CAP_PROP_ORIENTATION_AUTO):
        across, down = down, across  # the pictures come turned, the pixels' shape does not
    height, width = first.shape[:2]
    if across > down:
        return Shape(round(width * across / down), height, across, down)
    return Shape(width, round(height * down / across), across, down)

"""Whether anything moves in a row of pictures. Codecs and sensors rustle; what moves changes whole patches."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

PATCH = 8
"""Side in pixels of the patches whose brightness is compared."""
MOST = 80
"""Patches along a side at most: of large pictures the patches are larger."""
MOVES = 4.0
"""Steps of brightness, of 255, that a patch changes by if something moves in it: one picture that was encoded as a film
drifts by up to 3.1 (H.264 at crf 35; MPEG-4 and VP9 2.2, motion JPEG 0.8)."""


class Still:
    """Told of pictures one by one, it knows whether all of them were like the first."""

    def __init__(self, first: Image) -> None:
        self._first = _patches(first)

    def like(self, picture: Image) -> bool:
        """Whether nothing has moved from the first picture to this one; both uint8 (H, W, 3)."""
        patches = _patches(picture)
        return patches.shape == self._first.shape and float(np.abs(patches - self._first).max()) < MOVES


def _patches(picture: Image) -> npt.NDArray[np.float32]:
    height, width = picture.shape[:2]
    size = (min(MOST, max(1, width // PATCH)), min(MOST, max(1, height // PATCH)))
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), dtype=np.float32)

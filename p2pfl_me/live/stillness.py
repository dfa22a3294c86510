"""Whether the picture stands still: a camera, a driver or a program that hangs shows its last picture on and on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from p2pfl_me.data.still import Still

Image = npt.NDArray[np.uint8]

STILL_S = 2.0
"""A film of a living face moves within so many seconds; of drawn ones the calmest stretch in 40 s lasted 1.1."""


class Stillness:
    """Told of every picture, it knows since when nothing has moved, whatever rustling a codec adds."""

    def __init__(self) -> None:
        self._still: Still | None = None
        self._before: Image | None = None
        self.since_s = 0.0
        self.repeated = False
        """The last picture is the one before once more, pixel by pixel: no new one came."""
        self.hangs = False
        self.went_on = False
        """Something moves again, with the last picture, after the picture had stood still."""

    def push(self, time_s: float, image: Image) -> None:
        """One picture, uint8 (H, W, 3)."""
        self.repeated = self._before is not None and np.array_equal(image, self._before)
        self._before = image
        hung = self.hangs
        if self._still is None or not (self.repeated or self._still.like(image)):
            self._still, self.since_s = Still(image), time_s
        self.hangs = time_s - self.since_s >= STILL_S
        self.went_on = hung and not self.hangs

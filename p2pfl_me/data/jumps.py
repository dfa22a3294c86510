"""Whether another face has taken the place of the one that is held: two people's pictures in one film, or a cut.

Two faces are as near to each other in place as one is to itself, and each is found by a search. From one picture to the
next a living face changes little where it is held: by head turns up to 0.03 of what `_unlike` tells, in drawn films of
30 pictures a second, and up to 0.09 at 15; another drawn face is 0.2 to 0.9 away.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

SIDE = 32
OTHER = 0.3
"""So unlike the picture before, it is another face, or something before it."""
ASIDE, BACK = 0.1, 0.25
"""Half as unlike, and yet at most this share as unlike the picture before the last: it was there, and is back."""
OFTEN, WITHIN_S = 4, 1.0
"""So many jumps within so long, and the pictures show no one face."""


class Jumps:
    """Told of a face picture by picture where it is held, grey uint8 (S, S)."""

    def __init__(self) -> None:
        self._last: Values | None = None
        self._before: Values | None = None
        self._left: Values | None = None
        """The face before the last jump."""
        self._times: deque[float] = deque()
        self.replaced = False
        """Another face is there than before, and the one before has not come back."""
        self.returns = 0
        """Jumps back to the face before the last jump."""

    def push(self, time_s: float, aligned: Image) -> bool:
        """Whether the face has jumped with this picture. One that shows the one before once more tells nothing."""
        while self._times and time_s - self._times[0] > WITHIN_S:
            self._times.popleft()
        values = _standard(aligned)
        last, before = self._last, self._before
        if last is None or np.array_equal(values, last):
            self._last = values
            return False
        self._last, self._before = values, last
        step = _unlike(values, last)
        back = step > ASIDE and before is not None and _unlike(values, before) < BACK * step
        if step <= OTHER and not back:
            return False
        returned = back or (self._left is not None and _unlike(values, self._left) < BACK * step)
        self.replaced, self._left = not returned, last
        self.returns += returned
        self._times.append(time_s)
        return True

    @property
    def alternates(self) -> bool:
        """Whether faces take each other's place again and again."""
        return len(self._times) >= OFTEN

    def forget(self) -> None:
        """The face is held elsewhere: what follows is like nothing before."""
        self._last = self._before = self._left = None
        self.replaced = False


def mixed_words(returns: int) -> str:
    """What pictures of one clip show that jump so often to and fro; empty where they do not."""
    if returns < OFTEN:
        return ""
    return f"jump to and fro {returns} times, as where two people's frames are mixed"


def _standard(aligned: Image) -> Values:
    """A small copy without its brightness and contrast, float64 (SIDE * SIDE,), of length 1."""
    small = cv2.resize(aligned, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    small -= small.mean()
    length = float(np.linalg.norm(small))
    return np.asarray(small / length if length else small, dtype=np.float64)


def _unlike(one: Values, other: Values) -> float:
    """1 less the correlation: 0 of the same picture, 1 of two that have nothing in common."""
    return 1.0 - float(one @ other)

"""Interlaced pictures: even and odd rows that were taken at two moments."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]

MOVING = 20
"""Steps of brightness from one picture to the next by which a pixel moves, and does not only rustle."""
FEWEST = 20
"""Moving pixels that tell anything."""
ONE_MOMENT = 0.7
"""Rows of one moment differ by less than this share of what rows of two pictures do."""


def of_two_moments(pictures: Sequence[Grey]) -> bool | None:
    """Whether rows of one picture belong to two moments; None where too little moves to tell.

    Parameters
    ----------
    pictures:
        uint8 (H, W) each, in order.

    Where something moves, odd rows are compared with the even rows around them: of their own picture, of the next and
    of the one before. Rows of one moment fit their own picture best; a field's rows lie midway between their own even
    rows and those of a neighbour. FFmpeg's filter idet asks the same.
    """
    own, other, count = 0.0, 0.0, 0
    for before, after in pairwise(pictures):
        even, following = _between(before), _between(after)
        odd, later = _odd(before), _odd(after)
        moving = np.abs(following - even) > MOVING
        count += int(moving.sum())
        own += float(np.abs(odd - even)[moving].sum() + np.abs(later - following)[moving].sum()) / 2
        other += min(float(np.abs(odd - following)[moving].sum()), float(np.abs(later - even)[moving].sum()))
    return own > ONE_MOMENT * other if count >= FEWEST else None


def _between(picture: Grey) -> npt.NDArray[np.float32]:
    """What the odd rows would be if they were the mean of the even rows around them."""
    even = picture[0::2].astype(np.float32)
    return np.asarray((even[:-1] + even[1:]) / 2)


def _odd(picture: Grey) -> npt.NDArray[np.float32]:
    odd = picture[1::2].astype(np.float32)
    return odd[: len(picture[0::2]) - 1]

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
ONE_MOMENT = 0.5
"""Rows of two pictures differ by more than those of one, in squares, by at least this share of what pixels moved. Of
films of DV, MPEG-2 and H.264 the share is -0.1 to 0.45 where rows are of two moments, 0.55 to 0.98 where of one."""


def of_two_moments(pictures: Sequence[Grey]) -> bool | None:
    """Whether rows of one picture belong to two moments; None where too little moves to tell.

    Parameters
    ----------
    pictures:
        uint8 (H, W) each, in order.

    Where something moves, odd rows are compared with the even rows around them: of their own picture, of the next and
    of the one before. Rows of one moment fit their own picture best; a field's rows lie midway between their own even
    rows and those of a neighbour. FFmpeg's filter idet asks the same. Differences are squared, so that what is in all
    of them, fine texture and noise, takes itself off: as sums they were alike for soft fields and for noisy pictures.
    """
    own, forth, back, moved, count = 0.0, 0.0, 0.0, 0.0, 0
    for before, after in pairwise(pictures):
        even, following = _between(before), _between(after)
        odd, later = _odd(before), _odd(after)
        step = following - even
        moving = np.abs(step) > MOVING
        count += int(moving.sum())
        own += (_squares(odd - even, moving) + _squares(later - following, moving)) / 2
        forth += _squares(odd - following, moving)
        back += _squares(later - even, moving)
        moved += _squares(step, moving)
    return min(forth, back) - own < ONE_MOMENT * moved if count >= FEWEST else None


def _squares(differences: npt.NDArray[np.float32], where: npt.NDArray[np.bool_]) -> float:
    return float(np.square(differences[where], dtype=np.float64).sum())


def _between(picture: Grey) -> npt.NDArray[np.float32]:
    """What the odd rows would be if they were the mean of the even rows around them."""
    even = picture[0::2].astype(np.float32)
    return np.asarray((even[:-1] + even[1:]) / 2)


def _odd(picture: Grey) -> npt.NDArray[np.float32]:
    odd = picture[1::2].astype(np.float32)
    return odd[: len(picture[0::2]) - 1]

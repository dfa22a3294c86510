"""Which values of the head a peer of less than full width holds: the first hidden units, and all that hangs on them.

HeteroFL (Diao, Ding, Tarokh, ICLR 2021): slices are nested, so that whatever a narrow peer holds, every wider one
holds, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def hidden_units(width: float, hidden: int) -> int:
    """The hidden units of a peer of `width`: ceil(width * hidden)."""
    return math.ceil(round(width * hidden, 9))


def held(shapes: Sequence[tuple[int, ...]], width: float) -> Mask:
    """Which values of a head of tensors (H, D), (H,), (K, H), (K,) a peer of `width` holds, bool (P,)."""
    first, _, last, _ = shapes
    units = hidden_units(width, first[0])
    masks = [np.zeros(shape, dtype=np.bool_) for shape in shapes]
    masks[0][:units] = masks[1][:units] = masks[2][:, :units] = masks[3][:] = True
    assert last[1] == first[0], "the last layer reads the hidden units"
    return np.concatenate([mask.ravel() for mask in masks])


def sliced(shapes: Sequence[tuple[int, ...]], width: float, params: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`params` (P,) with zeros where a peer of `width` holds nothing; the same array at full width."""
    return params if width == 1 else np.where(held(shapes, width), params, np.zeros((), params.dtype))


def holders(shapes: Sequence[tuple[int, ...]], widths: Iterable[float]) -> npt.NDArray[np.float64]:
    """How many peers of these widths hold each value, 1 where none does: the divisor of their sum, float64 (P,)."""
    total = np.zeros(sum(math.prod(shape) for shape in shapes))
    for width in widths:
        total += 1 if width == 1 else held(shapes, width)
    return np.maximum(total, 1)

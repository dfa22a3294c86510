"""A few values of a long vector as bytes: float16 values, then their places in Elias gamma code."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from p2pfl_me.compression import elias
from p2pfl_me.compression.float16 import to_float16
from p2pfl_me.compression.limits import require_sane
from p2pfl_me.errors import WireError
from p2pfl_me.message import Vector

_LENGTH = struct.Struct("<I")


def count_of(fraction: float, size: int) -> int:
    """How many values a fraction of `size` are: at least one."""
    return min(size, max(1, round(fraction * size)))


def most_bytes(count: int, size: int) -> int:
    """The most bytes that `encode` gives for `count` of `size` values."""
    return _LENGTH.size + 2 * count + elias.most_bytes(count, size)


def largest(scores: Vector, count: int) -> elias.Indices:
    """Where the `count` largest of the scores (not negative) lie, ascending; of equal ones those that come first.

    NaN counts as largest.
    """
    if count >= scores.size:
        return np.arange(scores.size)
    # Without a sign, float32 are ordered as their bits are. A histogram of the upper halves finds the bucket in which
    # the last chosen one lies; only that bucket need be looked at closely.
    bits = scores.view(np.uint32)
    upper = (bits >> np.uint32(16)).astype(np.int32)
    above = np.cumsum(np.bincount(upper)[::-1])
    bucket = above.size - 1 - int(np.searchsorted(above, count))
    chosen = upper > bucket
    within = np.flatnonzero(upper == bucket)
    missing = count - int(np.count_nonzero(chosen))
    order = np.argsort(~bits[within], kind="stable")
    chosen[within[order[:missing]]] = True
    return np.flatnonzero(chosen)


def encode(indices: elias.Indices, values: Vector) -> bytes:
    """Ascending distinct indices with their values."""
    unary, lower = elias.encode(indices)
    return b"".join([_LENGTH.pack(len(unary)), to_float16(values).tobytes(), unary, lower])


def decode(body: npt.NDArray[np.uint8], count: int, size: int) -> tuple[elias.Indices, Vector]:
    """The `count` indices and values of a vector of `size`.

    Raises
    ------
    WireError
        Anything that `encode` cannot have written for a sane vector; found before memory is taken.
    """
    fixed = _LENGTH.size + 2 * count
    if not fixed <= body.size <= most_bytes(count, size):
        raise WireError(f"a sparse model of {body.size} bytes, where {fixed} to {most_bytes(count, size)} are due")
    (unary,) = _LENGTH.unpack(body[: _LENGTH.size].tobytes())
    if unary > body.size - fixed:
        raise WireError("a sparse model that is shorter than it says")
    values = body[_LENGTH.size : fixed].view("<f2")
    require_sane(values)
    indices = elias.decode(body[fixed : fixed + unary], body[fixed + unary :], count, size)
    return indices, values.astype(np.float32)

"""Sorted indices in few bits: their gaps in Elias gamma code (Elias, IEEE Trans. Inf. Theory 1975).

A gap g >= 1 of n binary digits takes n - 1 zeros, a one, and its lower n - 1 digits: 2 n - 1 bits. The unary parts of
all gaps come first and their lower digits after, which costs the same bits and lets NumPy decode them at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from p2pfl_me.errors import WireError

Indices = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

WIDEST = 53
"""Binary digits of a gap that are handled: they fit an eight-byte window from any bit of its first byte, and a float64.
Models of 2^53 values are none."""


def most_bytes(count: int, size: int) -> int:
    """The most bytes that `count` distinct indices below `size` take, both parts together.

    A gap g takes at most 2 log2 g + 1 bits; the logarithm is concave, so equal gaps are the worst.
    """
    if count == 0:
        return 0
    return int(count * (2 * np.log2(size / count) + 1) / 8) + 3


def encode(indices: Indices) -> tuple[bytes, bytes]:
    """Ascending distinct indices as the unary parts and the lower digits, each filled up to whole bytes."""
    gaps = np.diff(indices, prepend=-1)
    digits = _digits(gaps)
    unary = np.zeros(int(digits.sum()), np.uint8)
    unary[np.cumsum(digits) - 1] = 1
    widths = digits - 1
    ends = np.cumsum(widths)
    # Each gap once for every lower digit it has, shifted so that this digit comes last.
    shifts = np.repeat(ends, widths) - np.arange(1, int(widths.sum()) + 1)
    bits = (np.repeat(gaps, widths) >> shifts & 1).astype(np.uint8)
    return np.packbits(unary).tobytes(), np.packbits(bits).tobytes()


def decode(unary: Bytes, lower: Bytes, count: int, size: int) -> Indices:
    """`count` ascending indices below `size`; memory in proportion to the bytes given.

    Raises
    ------
    WireError
        Anything that `encode` cannot have written.
    """
    ones = np.flatnonzero(np.unpackbits(unary))
    if ones.size != count:
        raise WireError(f"{ones.size} compressed indices, where {count} are due")
    digits = np.diff(ones, prepend=-1)
    used = int(ones[-1]) + 1 if count else 0
    widths = digits - 1
    total = used - count
    if (
        digits.max(initial=0) > min(size.bit_length(), WIDEST)
        or -(-used // 8) != unary.size
        or -(-total // 8) != lower.size
    ):
        raise WireError("compressed indices that do not fit their own lengths")
    starts = (np.cumsum(widths) - widths).astype(np.uint64)
    # The eight bytes from each byte on, as one number: a gap's digits are cut out of the window that they start in.
    filled = np.concatenate([lower, np.zeros(8, np.uint8)])
    windows = np.ndarray(lower.size + 1, ">u8", filled, strides=(1,))
    cut = windows[starts >> np.uint64(3)].astype(np.uint64) << (starts & np.uint64(7))
    gaps = (np.int64(1) << widths) + (cut >> (64 - widths).astype(np.uint64)).astype(np.int64)
    indices = np.cumsum(gaps) - 1
    if count and indices[-1] >= size:
        raise WireError(f"a compressed index of {indices[-1]}, where the model has {size} values")
    return indices


def _digits(numbers: Indices) -> Indices:
    """Binary digits of each number; exact below 2^53."""
    return np.frexp(numbers.astype(np.float64))[1].astype(np.int64)

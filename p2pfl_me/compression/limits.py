"""What is refused before it is used: a wrong length, and numbers that no trained network holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.compression.compressor import Payload
from p2pfl_me.errors import WireError
from p2pfl_me.message import MAX_WEIGHT

_MAX_BITS16 = int(np.float16(MAX_WEIGHT).view(np.uint16))
_MAX_BITS32 = int(np.float32(MAX_WEIGHT).view(np.uint32))


def require_length(payload: Payload, *lengths: int) -> None:
    """Refuse a payload whose number of bytes is none of `lengths`."""
    if (found := memoryview(payload).nbytes) not in lengths:
        raise WireError(f"a compressed model of {found} bytes, where {' or '.join(map(str, lengths))} are due")


def require_sane(values: npt.NDArray[Any]) -> None:
    """Refuse float16 or float32 values that are NaN, infinite or beyond `MAX_WEIGHT`.

    Without the sign, such bits are larger than the limit's: an integer comparison finds all three at once.
    """
    if values.dtype == np.float16:
        largest = (values.view(np.uint16) & np.uint16(0x7FFF)).max(initial=0)
        limit = _MAX_BITS16
    else:
        largest = (values.view(np.uint32) & np.uint32(0x7FFFFFFF)).max(initial=0)
        limit = _MAX_BITS32
    if largest > limit:
        raise WireError(f"a compressed model with a value that is not a number, or beyond {MAX_WEIGHT:g}")

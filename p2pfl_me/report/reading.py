"""Careful reading of JSON that another process wrote and may have left half-written.

Here live coercions that answer None (or an empty value) where a field is absent or of another type; nothing
here knows what a run is.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Json = Mapping[str, Any]


def number(value: object) -> float | None:
    """`value` as a finite float, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def whole(value: object) -> int | None:
    """`value` as an int (2.0 counts), else None."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def text(value: object) -> str:
    """`value` if it is a string, else the empty string."""
    return value if isinstance(value, str) else ""


def mapping(value: object) -> Json:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def by_peer(value: object) -> Iterator[tuple[int, Any]]:
    """The items of an object whose keys are peer ids written as text; other keys are passed over."""
    for key, item in mapping(value).items():
        if isinstance(key, str) and key.isascii() and key.isdigit():
            yield int(key), item


def floats_of_base64(value: object) -> npt.NDArray[np.float32] | None:
    """A little-endian float32 vector, shape (n,), from base64; None if it is not one or is not finite."""
    try:
        raw = base64.b64decode(text(value), validate=True)
    except (binascii.Error, ValueError):
        return None
    if not raw or len(raw) % 4:
        return None
    vector = np.frombuffer(raw, dtype="<f4")
    return vector if bool(np.isfinite(vector).all()) else None


def counts(value: object) -> npt.NDArray[np.int64] | None:
    """A square matrix of counts, shape (K, K), else None."""
    if not isinstance(value, list) or not value:
        return None
    rows = [[whole(cell) for cell in row] for row in value if isinstance(row, list)]
    if len(rows) != len(value) or any(len(row) != len(rows) for row in rows):
        return None
    if any(cell is None or cell < 0 for row in rows for cell in row):
        return None
    return np.array(rows, dtype=np.int64)


def json_file(path: Path) -> Json:
    """The object in a JSON file; an empty one if the file is absent, torn or something else."""
    try:
        return mapping(json.loads(path.read_text(encoding="utf-8", errors="replace")))
    except (OSError, ValueError, RecursionError):
        return {}

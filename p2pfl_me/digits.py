"""Numbers that are typed, in digits that all read alike: Python takes `1_0` for 10, and `١٢`, `inf` and `nan`."""

from __future__ import annotations

import math
import re

NUMBER = re.compile(r"-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?", re.ASCII)
"""YAML 1.1 takes `1e-3`, which has no point, for a word."""
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
"""Python takes more digits, up to a limit of its own."""


def number(text: str) -> float | None:
    """The finite number that the text is, if it is one."""
    found = float(text) if NUMBER.fullmatch(text) else math.nan
    return found if math.isfinite(found) else None


def whole(text: str) -> int | None:
    """The whole number that the text is, if it is one."""
    return int(text) if WHOLE.fullmatch(text) else None

"""Whole numbers as files write them."""

from __future__ import annotations

import re

_WHOLE = re.compile(r"[0-9]{1,18}")


def is_number(text: str) -> bool:
    """Whether `int` takes it, and it is one: `str.isdigit` also says yes to `²`, and `int` has a limit of its own."""
    return _WHOLE.fullmatch(text) is not None

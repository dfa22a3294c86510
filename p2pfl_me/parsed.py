"""JSON as others write it: nested as deep as they like, which the library tells by an error that no caller expects."""

from __future__ import annotations

import json
from typing import Any


def json_of(text: str | bytes) -> Any:
    """What it says.

    Raises
    ------
    ValueError
        It is no JSON, or nested so deep that nothing of ours could be.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error

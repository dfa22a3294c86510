"""msgpack from strangers: bounded in length, depth and kind before anything looks at what it says.

What comes out holds nothing but None, booleans, numbers, text, bytes, and, one level down, flat lists and dictionaries
of these: safe to compare, to hash by item, and to print.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from typing import Any

import msgpack

from p2pfl_me.errors import WireError

MAX_ITEMS = 64
"""Most items of a list or dictionary."""


def unpacked_list(data: bytes, what: str, most_bytes: int) -> list[Any]:
    """The list that `data` holds; `what` names it in the error.

    Raises
    ------
    WireError
        Too long, not msgpack, no list, or a list that holds more than flat lists and flat dictionaries.
    """
    if len(data) > most_bytes:
        raise WireError(f"{what} of {len(data)} bytes (at most {most_bytes})")
    try:
        found = msgpack.unpackb(
            data,
            max_ext_len=0,
            max_map_len=MAX_ITEMS,
            max_array_len=MAX_ITEMS,
            list_hook=_level,
            object_pairs_hook=_flat_dictionary,
            ext_hook=_refuse,
        )
    except Exception as error:  # msgpack raises many kinds on hostile bytes
        raise WireError(f"{what} that is not msgpack, or nested too deep: {type(error).__name__}") from error
    if not isinstance(found, list):
        raise WireError(f"{what} that is not a list")
    return found


class _Flat(list[Any]):
    """A list without lists and dictionaries in it."""


_PLAIN = frozenset({NoneType, bool, int, float, str, bytes})


def is_flat(found: Sequence[Any]) -> bool:
    """Whether a list that was unpacked here holds neither lists nor dictionaries."""
    return isinstance(found, _Flat)


def _level(items: list[Any]) -> list[Any]:
    """msgpack calls this from the innermost list outwards, so the first that is too deep ends the reading."""
    if _PLAIN.issuperset(map(type, items)):  # as all lists that we send; the rest is for those that nobody should
        return _Flat(items)
    if any(isinstance(item, list) and not isinstance(item, _Flat) for item in items):
        raise ValueError("a list in a list in a list")
    return items if any(isinstance(item, (list, dict)) for item in items) else _Flat(items)


def _flat_dictionary(pairs: Sequence[tuple[Any, Any]]) -> dict[Any, Any]:
    if any(isinstance(value, (list, dict)) for _, value in pairs):
        raise ValueError("a list or a dictionary in a dictionary")
    return dict(pairs)


def _refuse(code: int, data: bytes) -> None:
    raise ValueError("an extension type")

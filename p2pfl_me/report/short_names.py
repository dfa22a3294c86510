"""Names in little room: on one line, cut, and still told apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

CONTEXT = 3
"""Letters that stand before the first one in which cut names differ."""


def one_line(words: str) -> str:
    """Words on one line without control characters."""
    clean = "".join(letter if letter.isprintable() else " " for letter in words)
    return " ".join(clean.split())


def short(words: str, length: int = 28) -> str:
    """Words on one line, cut to `length`."""
    clean = one_line(words)
    return clean if len(clean) <= length else f"{clean[: length - 1]}…"


def told_apart(names: Sequence[str], length: int) -> list[str]:
    """The names cut to `length`. Those that begin alike for longer keep their beginnings and what differs."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(map(one_line, names)):
        groups.setdefault(short(name, length), []).append(name)
    found = {name: cut for cut, group in groups.items() for name in group if len(group) == 1}
    for group in (group for group in groups.values() if len(group) > 1):
        for name in group:
            same = max(_alike(name, other) for other in group if other != name)
            differs = name[max(same - CONTEXT, 0) :]
            # The beginning has what the rest leaves of the room, a third at least.
            head = max(length // 3, length - 1 - len(differs))
            found[name] = name if len(name) <= length else f"{name[:head]}…{short(differs, length - head - 1)}"
    return [found[one_line(name)] for name in names]


def _alike(one: str, other: str) -> int:
    """With how many letters both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))

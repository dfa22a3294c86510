"""Of a test that is marked `few(number)` so many cases are run by default; the others are `thorough`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest


def kept(number: int, cases: int) -> set[int]:
    """The places of `number` cases, the first among them, spread evenly over all; of all, where there are fewer."""
    return {place * cases // number for place in range(number)} if number < cases else set(range(cases))


def mark_others(items: Iterable[pytest.Item]) -> None:
    """Mark what is beyond the few of each test, before pytest looks at marks."""
    tests: dict[tuple[Path, str], list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("few"):
            tests.setdefault((item.path, item.nodeid.partition("[")[0]), []).append(item)
    for cases in tests.values():
        marker = cases[0].get_closest_marker("few")
        assert marker is not None
        few = kept(*marker.args, len(cases))
        for place, item in enumerate(cases):
            if place not in few:
                item.add_marker("thorough")

"""The table of first things agrees with a dictionary, and does not live in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.data.first_seen import FirstSeen


@given(st.integers(0, 4), st.lists(st.tuples(st.binary(max_size=3), st.text(max_size=5) | st.none())))
def test_it_remembers_what_a_dictionary_would(kept: int, pairs: list[tuple[bytes, str | None]]) -> None:
    table, known = FirstSeen(kept), dict[bytes, str | None]()
    for key, said in pairs:
        expected = (known[key], "there") if key in known else None
        assert table.before(key, said, "there") == expected
        known.setdefault(key, said)


@pytest.mark.thorough
def test_memory_does_not_grow_with_its_keys() -> None:
    script = (
        "import resource\nfrom p2pfl_me.data.first_seen import CACHE_KIB, FirstSeen\n"
        "table, words = FirstSeen(100), 'x' * 10_000\nbegun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for number in range(20_000):\n    table.before(b'%d' % number, f'{number}{words}')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begun, CACHE_KIB)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    grown, cache = map(int, said.split())  # KiB; a dictionary would hold 200 MB
    assert grown < 2 * cache

"""Fragments: the same part at both ends, exact in it, and everybody's turn once a cycle."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.compression import Fragments
from tests.compression.pairs import ends, meet, model


@given(size=st.integers(1, 3000), parts=st.integers(2, 7), cycle=st.integers(0, 50))
@settings(max_examples=50)
def test_a_cycle_covers_each_value_once(size: int, parts: int, cycle: int) -> None:
    low, high = ends(Fragments(parts=parts), size)
    x, y = np.zeros(size, np.float32), model(1, size)
    corrections = [meet(round, low, high, x, y)[0] for round in range(cycle * parts, (cycle + 1) * parts)]
    assert (np.sum([one != 0 for one in corrections], axis=0) == (y != 0)).all()
    np.testing.assert_array_equal(np.sum(corrections, axis=0), y)


def test_every_round_is_fair() -> None:
    size, parts, rounds = 64 * 50, 4, 2000
    low, _ = ends(Fragments(parts=parts), size)
    x, y = np.zeros(size, np.float32), np.ones(size, np.float32)
    # Every fourth round only: an edge that meets once in a while must not see the same part for ever.
    taken = [low.exchange(r, x, low.encode(r, x), low.encode(r, y)).reshape(50, 64)[:, 0] for r in range(0, rounds, 4)]
    share = np.mean(taken, axis=0)
    # 500 draws of chance about 1/4: six standard deviations are 0.12.
    assert np.abs(share - 0.24).max() < 0.12


def test_edges_and_seeds_differ() -> None:
    one, two = ends(Fragments(parts=4), 6400)[0], Fragments(parts=4).edge(3, 9, 7, 6400)
    other_seed = ends(Fragments(parts=4), 6400, seed=8)[0]
    x = model(0, 6400)
    payloads = {state.encode(round, x) for state in (one, two, other_seed) for round in range(5)}
    assert len(payloads) == 15


def test_the_limit_is_reached_and_not_passed() -> None:
    for size in (1, 63, 64, 65, 1000, 263_175):
        low, _ = ends(Fragments(parts=4), size)
        longest = max(len(low.encode(round, model(0, size))) for round in range(4))
        assert longest <= Fragments(parts=4).limit(size) <= longest + 256

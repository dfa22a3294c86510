"""Elias gamma: every set of indices comes back, in as few bits as promised; anything else is refused."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.compression import elias, sparse
from p2pfl_me.errors import WireError


@given(indices=st.sets(st.integers(0, 10**6), max_size=200))
@settings(max_examples=100)
def test_indices_come_back(indices: set[int]) -> None:
    array = np.array(sorted(indices), np.int64)
    unary, lower = elias.encode(array)
    gaps = np.diff(array, prepend=-1)
    bits = sum(2 * int(gap).bit_length() - 1 for gap in gaps)
    assert 8 * (len(unary) + len(lower)) < bits + 16
    assert len(unary) + len(lower) <= elias.most_bytes(array.size, 10**6 + 1)
    found = elias.decode(np.frombuffer(unary, np.uint8), np.frombuffer(lower, np.uint8), array.size, 10**6 + 1)
    np.testing.assert_array_equal(found, array)


@given(unary=st.binary(max_size=30), lower=st.binary(max_size=30), count=st.integers(0, 40))
@settings(max_examples=300)
def test_any_bytes_give_sorted_indices_or_an_error(unary: bytes, lower: bytes, count: int) -> None:
    try:
        found = elias.decode(np.frombuffer(unary, np.uint8), np.frombuffer(lower, np.uint8), count, 500)
    except WireError:
        return
    assert found.size == count and (np.diff(found) > 0).all()
    assert count == 0 or (found[0] >= 0 and found[-1] < 500)


def test_an_index_beyond_the_model_is_refused() -> None:
    unary, lower = (np.frombuffer(part, np.uint8) for part in elias.encode(np.array([5, 500])))
    elias.decode(unary, lower, 2, 501)
    with pytest.raises(WireError, match="500"):
        elias.decode(unary, lower, 2, 500)


def test_padding_is_refused() -> None:
    unary, lower = (np.frombuffer(part, np.uint8) for part in elias.encode(np.array([5, 500])))
    more = np.zeros(1, np.uint8)
    elias.decode(unary, lower, 2, 600)
    for parts in ((np.concatenate([unary, more]), lower), (unary, np.concatenate([lower, more]))):
        with pytest.raises(WireError):
            elias.decode(*parts, 2, 600)


def test_what_is_too_long_is_refused_before_it_is_unpacked() -> None:
    unary = np.zeros(2_000_000, np.uint8)
    unary[-1] = 1
    head = np.frombuffer(unary.size.to_bytes(4, "little") + b"\0\0", np.uint8)
    body = np.concatenate([head, unary])
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            sparse.decode(body, 1, 1000)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@given(
    scores=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    count=st.integers(1, 60),
)
def test_the_largest_are_chosen_ties_by_place(scores: list[int], count: int) -> None:
    count = min(count, len(scores))
    found = sparse.largest(np.array(scores, np.float32), count)
    expected = sorted(sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:count])
    assert found.tolist() == expected

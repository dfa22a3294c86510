"""Frames come out of a stream as they went in, however it is cut, and a length is believed only within its bound."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import WireError
from p2pfl_me.wire.framing import SCRATCH, FrameReader, on_wire, prefix


def read(reader: FrameReader, data: bytes, cuts: list[int]) -> list[bytes]:
    """What comes out when `data` arrives in pieces of these lengths, over and over."""
    frames, at, turn = [], 0, 0
    while True:
        while (frame := reader.next_frame()) is not None:
            frames.append(bytes(frame))
        if at == len(data):
            return frames
        space = reader.space()
        count = min(len(space), max(1, cuts[turn % len(cuts)]), len(data) - at)
        space[:count] = data[at : at + count]
        reader.filled(count)
        at, turn = at + count, turn + 1


@given(
    st.lists(st.integers(1, 300) | st.integers(SCRATCH - 8, SCRATCH + 8) | st.just(3 * SCRATCH), max_size=12),
    st.lists(st.integers(1, 2 * SCRATCH), min_size=1, max_size=5),
)
def test_frames_come_out_as_they_went_in(sizes: list[int], cuts: list[int]) -> None:
    frames = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    stream = b"".join(prefix(len(frame)) + frame for frame in frames)
    assert len(stream) == sum(on_wire(size) for size in sizes)
    assert read(FrameReader(3 * SCRATCH), stream, cuts) == frames


@pytest.mark.parametrize("size", [0, 101, 2**32 - 1])
def test_a_length_beyond_the_bound_is_refused_before_memory_is_taken(size: int) -> None:
    reader = FrameReader(100)
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match=f"a frame of {size} bytes"):
            read(reader, prefix(100) + bytes(100) + prefix(size), [7])
        assert tracemalloc.get_traced_memory()[1] < 1 << 16
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_raise_nothing_but_the_wire_error(junk: bytes, cut: int) -> None:
    try:
        frames = read(FrameReader(64), junk, [cut])
    except WireError:
        return
    assert all(0 < len(frame) <= 64 for frame in frames)

"""Frames come out of a stream as they went in, however it is cut, and a length is believed only within its bound."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.errors import WireError
from p2pfl_me.wire.framing import PREFIX, SCRATCH, FrameReader, Lengths, on_wire


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


@settings(max_examples=12)
@given(
    st.lists(st.integers(1, 300) | st.integers(SCRATCH - 8, SCRATCH + 8) | st.just(3 * SCRATCH), max_size=12),
    st.lists(st.integers(1, 2 * SCRATCH), min_size=1, max_size=5),
)
def test_frames_come_out_as_they_went_in(sizes: list[int], cuts: list[int]) -> None:
    frames = [bytes([number + 1]) * size for number, size in enumerate(sizes)]
    for key in (None, b"k" * 32):
        lengths, reader = Lengths(key), FrameReader(3 * SCRATCH)
        reader.lengths = Lengths(key)
        stream = b"".join(lengths.write(len(frame)) + frame for frame in frames)
        assert len(stream) == sum(on_wire(size) for size in sizes)
        assert read(reader, stream, cuts) == frames


@pytest.mark.parametrize("bit", range(8 * PREFIX))
def test_a_flipped_bit_of_a_length_is_found_before_anything_is_waited_for(bit: int) -> None:
    lengths, reader = Lengths(b"k" * 32), FrameReader(1 << 21)
    reader.lengths = Lengths(b"k" * 32)
    first, second = lengths.write(50) + bytes(50), bytearray(lengths.write(1000))
    second[bit // 8] ^= 1 << bit % 8
    with pytest.raises(WireError, match="does not authenticate"):
        read(reader, first + second, [64])
    with pytest.raises(WireError, match="does not authenticate"):
        read(reader, first + first, [64])  # an honest length in another's place


@pytest.mark.parametrize("size", [0, 101, 2**32 - 1])
def test_a_length_beyond_the_bound_is_refused_before_memory_is_taken(size: int) -> None:
    reader = FrameReader(100)
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match=f"a frame of {size} bytes"):
            read(reader, Lengths().write(100) + bytes(100) + Lengths().write(size), [7])
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

"""How far a payload may go: what an honest end may say is taken, the next larger thing is refused by its name."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pytest

from p2pfl_me.compression import Chunked, Compression, EdgeState, Int4, Int8, TopK, elias
from p2pfl_me.compression.history import TAG
from p2pfl_me.errors import WireError
from p2pfl_me.message import MAX_WEIGHT
from tests.compression.pairs import ALL, ends, model


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith(("power", "jwins"))])
def test_a_weight_at_the_limit_is_taken_from_an_honest_end(name: str) -> None:
    """Of `power` the bound is on its factors, of `jwins` on its coefficients, which are sums of weights."""
    here, there = ends(ALL[name])
    own = model(1)
    own[:64] = MAX_WEIGHT
    there.check(0, np.frombuffer(here.encode(0, own), np.uint8))


@pytest.mark.parametrize(("form", "size", "half"), [(Int8(), 256, 127.5), (Int4(), 64, 7.5)])
def test_the_scale_after_the_largest_is_refused(form: Compression, size: int, half: float) -> None:
    """Scales are the upper halves of float32: the largest is the first that holds the limit."""
    here, there = ends(form, size)
    payload = bytearray(here.encode(0, np.full(size, MAX_WEIGHT, np.float32)))
    (scale,) = struct.unpack("<H", payload[:2])
    value = struct.unpack("<f", struct.pack("<I", scale << 16))[0]
    below = struct.unpack("<f", struct.pack("<I", scale - 1 << 16))[0]
    assert below * half < MAX_WEIGHT <= value * half
    there.check(0, np.frombuffer(payload, np.uint8))
    payload[:2] = struct.pack("<H", scale + 1)
    with pytest.raises(WireError, match="beyond"):
        there.check(0, np.frombuffer(payload, np.uint8))


def test_the_step_after_the_largest_and_one_that_is_no_step_are_refused() -> None:
    """At 2 bits a chunk's largest value is one and a half of its step, the upper half of a float32."""
    here, there = meeting()
    payload = bytearray(here.encode(0, model(1, 256)))

    def largest(step: int) -> float:
        return 1.5 * struct.unpack("<f", struct.pack("<I", step << 16))[0]

    last = next(step for step in range(0x7F80) if largest(step) >= MAX_WEIGHT)
    payload[TAG : TAG + 2] = struct.pack("<H", last)
    there.check(0, np.frombuffer(payload, np.uint8))
    for step in (last + 1, 0x7F80, 0x7FC0, 0x8000 | last):  # too large, infinite, no number, negative
        payload[TAG : TAG + 2] = struct.pack("<H", step)
        with pytest.raises(WireError, match="a chunk whose values may lie beyond 10000"):
            there.check(0, np.frombuffer(payload, np.uint8))


@pytest.mark.parametrize("left", range(4))
def test_a_chunked_body_that_ends_within_its_length_is_refused(left: int) -> None:
    """64 of 256 values at 2 bits, after the two bytes of the chunk's step and before the places' length."""
    here, there = meeting()
    fixed = TAG + 2 + 16
    with pytest.raises(WireError, match="bytes, where"):
        there.check(0, np.frombuffer(here.encode(0, model(1, 256))[: fixed + left], np.uint8))


def test_a_chunked_body_that_is_shorter_than_it_says_is_refused() -> None:
    here, there = meeting()
    payload = bytearray(here.encode(0, model(1, 256)))
    there.check(0, np.frombuffer(payload, np.uint8))
    payload[TAG + 18 : TAG + 22] = struct.pack("<I", len(payload))
    with pytest.raises(WireError, match="shorter than it says"):
        there.check(0, np.frombuffer(payload, np.uint8))


@pytest.mark.parametrize("base", [None, np.zeros(256, np.float32)], ids=["whole", "change"])
@pytest.mark.parametrize("form", [Chunked(fraction=0.25), TopK(fraction=0.25)], ids=lambda form: form.kind)
def test_what_ends_within_its_tag_has_none_and_what_ends_with_it_lacks_a_model(
    form: Compression, base: npt.NDArray[np.float32] | None
) -> None:
    here, there = (form.edge(me, other, 7, 256, (), base) for me, other in ((3, 8), (8, 3)))
    payload = here.encode(0, model(1, 256))
    for length, says in ((0, "without its tag"), (TAG - 1, "without its tag"), (TAG, "bytes, where")):
        with pytest.raises(WireError, match=says):
            there.check(0, np.frombuffer(payload[:length], np.uint8))


@pytest.mark.parametrize("form", [Chunked(fraction=0.25), TopK(fraction=0.25)], ids=lambda form: form.kind)
def test_places_side_by_side_from_the_first_on_have_no_lower_digits_and_are_taken(form: Compression) -> None:
    own, base = np.zeros(256, np.float32), np.zeros(256, np.float32)
    own[:64] = 2.0
    here, there = (form.edge(me, other, 7, 256, (), base) for me, other in ((3, 8), (8, 3)))
    mine, theirs = (np.frombuffer(end.encode(0, own), np.uint8) for end in (here, there))
    there.check(0, mine)
    assert np.abs(there.exchange(0, own, theirs, mine)).max() < 1e-6, "both ends said the same"


def meeting() -> tuple[EdgeState, EdgeState]:
    """Both ends of an edge that begin with one model."""
    form, base = Chunked(fraction=0.25, bits=2), model(2, 256)
    return form.edge(3, 8, 7, 256, (), base), form.edge(8, 3, 7, 256, (), base)


def test_indices_of_equal_gaps_fill_the_bound_to_three_bytes() -> None:
    """Gaps of 2^k take 2 k + 1 bits each, as many as the bound says; two ends that are filled up make up the rest."""
    for k in (1, 3, 6):
        for count in (1, 8, 100):
            size = count * 2**k
            unary, lower = elias.encode(np.arange(1, count + 1) * 2**k - 1)
            most = elias.most_bytes(count, size)
            assert most - 3 <= len(unary) + len(lower) <= most

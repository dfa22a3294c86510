"""Frames: messages come back as they were; anything else is refused before it costs memory."""

from __future__ import annotations

import math
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import WireError
from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.codec import MAX_WEIGHT, Header, Schema, check_weights, decode_header, encode, message_of

SCHEMA = Schema(5, b"d" * 32)
rounds = st.integers(0, 2**31)


@given(kind=st.sampled_from(list(Kind)), round=rounds, at=rounds)
def test_a_message_comes_back_as_it_was(kind: Kind, round: int, at: int) -> None:
    params = np.arange(5, dtype=np.float32) if kind in {Kind.OFFER, Kind.ANSWER, Kind.PUSH, Kind.FINAL} else None
    message = Message(kind, round, at, params)
    data, body = encode(message, 3, SCHEMA)
    header = decode_header(data, 3, SCHEMA)
    assert header == Header(kind, round, at, 3, 0 if body is None else body.nbytes)
    received = None if body is None else np.frombuffer(bytes(body), dtype="<f4")
    assert message_of(header, received) == message


def test_the_body_is_not_copied() -> None:
    params = np.zeros(5, np.float32)
    _, body = encode(Message(Kind.OFFER, 0, 0, params), 0, SCHEMA)
    params[0] = 1
    assert body is not None and np.frombuffer(body, np.float32)[0] == 1


def test_a_packed_model_is_bounded_before_it_is_read() -> None:
    schema = Schema(5, b"d" * 32, packed=7)
    for size, fits in ((1, True), (7, True), (8, False), (0, False)):
        message = Message(Kind.OFFER, 2, 2, packed=np.arange(size, dtype=np.uint8))
        data, body = encode(message, 3, schema)
        assert body is not None
        if not fits:
            with pytest.raises(WireError, match="at most 7 were due"):
                decode_header(data, 3, schema)
            continue
        header = decode_header(data, 3, schema)
        assert message_of(header, np.frombuffer(bytes(body), np.uint8)) == message


def test_a_model_of_another_shape_is_not_sent() -> None:
    with pytest.raises(WireError, match="shape"):
        encode(Message(Kind.OFFER, 0, 0, np.zeros(4, np.float32)), 0, SCHEMA)


GOOD: list[Any] = [1, "offer", 2, 2, 3, b"d" * 32, 20]


@pytest.mark.parametrize(
    ("position", "value", "what"),
    [
        (0, 2, "version"),
        (1, "pickle", "unknown kind"),
        (0, True, "version"),
        (1, ["offer"], "seven fields"),
        (1, {"offer": 1}, "seven fields"),
        (1, None, "unknown kind"),
        (2, -1, "out of range"),
        (2, 2.0, "out of range"),
        (2, True, "out of range"),
        (3, 2**40, "out of range"),
        (4, 4, "speaks as"),
        (5, b"e" * 32, "layout"),
        (5, None, "layout"),
        (6, 24, "were due"),
        (6, 2**31, "were due"),
        (6, "20", "out of range"),
    ],
)
def test_each_field_is_checked(position: int, value: object, what: str) -> None:
    fields = list(GOOD)
    assert decode_header(msgpack.packb(fields), 3, SCHEMA).body == 20
    fields[position] = value
    with pytest.raises(WireError, match=what):
        decode_header(msgpack.packb(fields), 3, SCHEMA)


def test_a_control_message_carries_no_body() -> None:
    with pytest.raises(WireError, match="were due"):
        decode_header(msgpack.packb([1, "skip", 2, 2, 3, b"d" * 32, 20]), 3, SCHEMA)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.binary(max_size=1100) | values.map(msgpack.packb) | st.lists(values, min_size=7, max_size=7).map(msgpack.packb)
)
def test_any_bytes_raise_nothing_but_the_wire_error(data: bytes) -> None:
    with pytest.raises(WireError):
        decode_header(data, 3, SCHEMA)


def test_what_is_nested_deep_is_refused_before_anybody_looks_at_it() -> None:
    """A thousand lists in one another: whatever prints, compares or hashes them runs out of stack."""
    for deep in (
        b"\x97\x01" + b"\x91" * 1005 + b"\xc0" + bytes(5),
        b"\x97" + b"\x91" * 1005 + b"\xc0\xa5offer" + bytes(5),
        b"\x97\x01" + b"\x81\x01" * 500 + b"\xc0" + bytes(5),
        b"\x97\x01\xa5offer" + b"\x91" * 1000 + b"\xc0" + bytes(4),
    ):
        with pytest.raises(WireError, match="nested too deep"):
            decode_header(deep, 3, SCHEMA)


def test_a_long_header_is_refused_unread() -> None:
    with pytest.raises(WireError, match="at most"):
        decode_header(bytes(1025), 3, SCHEMA)


@pytest.mark.parametrize(
    ("bad", "what"),
    [(np.nan, "NaN"), (np.inf, "NaN"), (-np.inf, "NaN"), (2 * MAX_WEIGHT, "absurd"), (-2 * MAX_WEIGHT, "absurd")],
)
@pytest.mark.parametrize("position", [0, 511, 999])
def test_bad_weights_are_refused_wherever_they_stand(bad: float, what: str, position: int) -> None:
    params = np.ones(1000, np.float32)
    header = Header(Kind.OFFER, 4, 4, 3, 4000)
    check_weights(header, params)
    params[position] = bad
    with pytest.raises(WireError, match=f"offer of round 4 holds .*{what}"):
        check_weights(header, params)


def test_a_model_of_which_each_weight_is_sane_may_be_larger_than_anybody_takes() -> None:
    """One such message, mixed in, ended its reader, which took its own rate of learning for the cause."""
    header, half = Header(Kind.OFFER, 4, 4, 3, 4000), np.full(50, 0.1 * MAX_WEIGHT, np.float32)
    squares = check_weights(header, half)
    assert squares == pytest.approx(0.5 * MAX_WEIGHT**2)
    assert check_weights(header, half[:49], before=squares) == pytest.approx(0.99 * MAX_WEIGHT**2)
    with pytest.raises(WireError, match="offer of round 4 holds weights of an absurd norm"):
        check_weights(header, half, before=1.01 * squares)
    for schema in (Schema(1, b"", norm=math.inf), Schema(1, b"", largest=math.inf)):
        assert check_weights(header, half, schema.most, before=MAX_WEIGHT**2) > MAX_WEIGHT**2

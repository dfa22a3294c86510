"""What a handshake says: who, under which contract, and which parts of two contracts differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import WireError
from p2pfl_me.wire.handshake import (
    HELLO,
    MAX_PAYLOAD,
    REPLY,
    VERSION,
    Terms,
    contracts_differ,
    hello,
    read_hello,
    read_reply,
    reply,
    tag_of,
)
from p2pfl_me.wire.identity import new_identity
from p2pfl_me.wire.noise import Initiator

SECTIONS = {"model": b"m" * 32, "training": b"t" * 32}
LOW = Terms(0, new_identity(), b"p" * 32, SECTIONS)
HIGH = Terms(1, new_identity(), b"p" * 32, SECTIONS)


def test_two_that_agree_share_keys() -> None:
    frame, tag, awaiting = hello(LOW, HIGH.identity.public)
    assert frame[0] == HELLO
    greeting = read_hello(HIGH, frame)
    assert (greeting.peer, greeting.key, greeting.differing) == (0, LOW.identity.public, ())
    answer, theirs = reply(greeting)
    assert answer[0] == REPLY and tag_of(answer) == tag == greeting.tag
    differing, ours = read_reply(awaiting, answer)
    assert differing == [] and (ours.send, ours.receive) == (theirs.receive, theirs.send)


def test_who_differs_is_still_authenticated_and_told_where() -> None:
    other = Terms(1, HIGH.identity, b"q" * 32, {"model": b"x" * 32, "training": b"t" * 32, "data": b"d" * 32})
    frame, _, awaiting = hello(LOW, other.identity.public)
    greeting = read_hello(other, frame)
    assert greeting.key == LOW.identity.public and greeting.differing == ("data", "model")
    assert read_reply(awaiting, reply(greeting)[0])[0] == ["data", "model"]
    assert "peer 0 has another contract: `data`, `model` differ" in contracts_differ(0, greeting.differing)


def test_a_digest_that_differs_without_a_section_is_no_consent() -> None:
    other = Terms(1, HIGH.identity, b"q" * 32, SECTIONS)
    assert read_hello(other, hello(LOW, other.identity.public)[0]).differing == ("contract",)


def test_the_claimed_digest_cannot_be_exchanged_on_the_way() -> None:
    frame, _, _ = hello(Terms(0, LOW.identity, b"q" * 32, SECTIONS), HIGH.identity.public)
    with pytest.raises(WireError):
        read_hello(HIGH, frame[:2] + HIGH.prologue + frame[34:])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x01",
        b"\x92\x01",
        b"\x92\x01\x01",
        b"\x92\xc3\x80",
        b"\x92\xa1x\x80",
        b"\x93\x01\x80\x01",
        b"\x92\x01" + b"\x91" * 1000 + b"\xc0",
        b"\x92\x01\x81\xa1x" + b"\x91" * 1000 + b"\xc0",
        b"\x92" * 1000 + b"\xc0",
        b"\x92\x01\x80" + bytes(MAX_PAYLOAD),
    ],
)
def test_an_introduction_that_says_nothing_is_refused(payload: bytes) -> None:
    message, _ = Initiator(LOW.identity.private, HIGH.identity.public, LOW.prologue).write(payload)
    with pytest.raises(WireError):
        read_hello(HIGH, bytes([HELLO, VERSION]) + LOW.prologue + message)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc0", b"\x91\x01", b"\x91\x91\xa1x", b"\x91" * 1000 + b"\xc0", b"\x90" + bytes(MAX_PAYLOAD)]
)
def test_a_reply_that_says_nothing_is_refused(payload: bytes) -> None:
    frame, _, awaiting = hello(LOW, HIGH.identity.public)
    message, _ = read_hello(HIGH, frame).introduced.write(payload)
    with pytest.raises(WireError):
        read_reply(awaiting, bytes([REPLY]) + bytes(8) + message)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_raise_nothing_but_the_wire_error(junk: bytes, dressed: bool) -> None:
    with pytest.raises(WireError):
        read_hello(HIGH, (bytes([HELLO, VERSION]) if dressed else b"") + junk)
    with pytest.raises(WireError):
        read_reply(hello(LOW, HIGH.identity.public)[2], junk)

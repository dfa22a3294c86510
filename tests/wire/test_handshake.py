"""What a handshake says: who, under which contract, and which parts of two contracts differ."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import WireError
from p2pfl_me.wire.admission import CHALLENGE, PROOF, caller_of, edge_key, proof
from p2pfl_me.wire.handshake import (
    DIGEST,
    GREETING,
    HELLO,
    MAX_FRAME,
    MAX_PAYLOAD,
    REPLY,
    VERSION,
    Terms,
    _is_digest,
    contracts_differ,
    greeting,
    hello,
    proof_of,
    read_greeting,
    read_hello,
    read_reply,
    reply,
)
from p2pfl_me.wire.identity import new_identity
from p2pfl_me.wire.noise import AwaitingReply, Initiator

SECTIONS = {"model": b"m" * 32, "training": b"t" * 32}
LOW = Terms(0, new_identity(), b"p" * 32, SECTIONS)
HIGH = Terms(1, new_identity(), b"p" * 32, SECTIONS)
EDGE = edge_key(LOW.identity, HIGH.identity.public)


@dataclass(frozen=True)
class Edge:
    public: bytes
    key: bytes


FROM_LOW = Edge(LOW.identity.public, EDGE)
CHALLENGED = bytes(range(CHALLENGE))
HEAD = 1 + PROOF + 32
"""Bytes of a HELLO before the Noise message."""


def said(terms: Terms = LOW, challenge: bytes = CHALLENGED) -> tuple[bytes, AwaitingReply]:
    return hello(terms, HIGH.identity.public, EDGE, challenge)


def test_two_that_agree_share_keys() -> None:
    frame, awaiting = said()
    assert caller_of([FROM_LOW], CHALLENGED, proof_of(frame)) is FROM_LOW
    introduction = read_hello(HIGH, EDGE, CHALLENGED, frame)
    assert (introduction.peer, introduction.key, introduction.differing) == (0, LOW.identity.public, ())
    answer, theirs = reply(introduction)
    differing, ours = read_reply(awaiting, answer)
    assert differing == [] and (ours.send, ours.receive) == (theirs.receive, theirs.send)


def test_who_differs_is_still_authenticated_and_told_where() -> None:
    other = Terms(1, HIGH.identity, b"q" * 32, {"model": b"x" * 32, "training": b"t" * 32, "data": b"d" * 32})
    frame, awaiting = said()
    introduction = read_hello(other, EDGE, CHALLENGED, frame)
    assert introduction.key == LOW.identity.public and introduction.differing == ("data", "model")
    assert read_reply(awaiting, reply(introduction)[0])[0] == ["data", "model"]
    assert "peer 0 has another contract: `data`, `model` differ" in contracts_differ(0, introduction.differing)


def test_a_digest_that_differs_without_a_section_is_no_consent() -> None:
    other = Terms(1, HIGH.identity, b"q" * 32, SECTIONS)
    assert read_hello(other, EDGE, CHALLENGED, said()[0]).differing == ("contract",)


def test_the_claimed_digest_cannot_be_exchanged_on_the_way() -> None:
    frame, _ = said(Terms(0, LOW.identity, b"q" * 32, SECTIONS))
    with pytest.raises(WireError):
        read_hello(HIGH, EDGE, CHALLENGED, frame[: HEAD - 32] + said()[0][HEAD - 32 : HEAD] + frame[HEAD:])


def test_what_was_said_once_cannot_be_said_again_on_another_connection() -> None:
    frame, _ = said()
    other = bytes(CHALLENGE)
    assert caller_of([FROM_LOW], other, proof_of(frame)) is None
    with pytest.raises(WireError):
        read_hello(HIGH, EDGE, other, frame)


def test_a_proof_is_good_for_one_end_of_one_edge() -> None:
    third = new_identity()
    assert EDGE == edge_key(HIGH.identity, LOW.identity.public) != edge_key(third, LOW.identity.public)
    answer = proof(EDGE, LOW.identity.public, CHALLENGED)
    edges = [Edge(HIGH.identity.public, EDGE), Edge(third.public, edge_key(third, LOW.identity.public))]
    assert caller_of(edges, CHALLENGED, answer) is None, "its own answer cannot be turned against the caller"


def test_nothing_in_clear_is_said_twice() -> None:
    """Two connections of one peer cannot be linked by what a HELLO says: no key, no digest, no name."""
    first, second = (said(challenge=os.urandom(CHALLENGE))[0] for _ in range(2))
    assert first[0] == second[0] == HELLO and len(first) == len(second)
    for length in (6, 8):
        pieces = [{frame[at : at + length] for at in range(1, len(frame) - length)} for frame in (first, second)]
        assert not pieces[0] & pieces[1]
    assert LOW.prologue not in first and LOW.identity.public not in first


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
    prologue = LOW.prologue + CHALLENGED
    message, _ = Initiator(LOW.identity.private, HIGH.identity.public, prologue).write(payload)
    frame = said()[0][:HEAD] + message
    with pytest.raises(WireError):
        read_hello(HIGH, EDGE, CHALLENGED, frame)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc0", b"\x91\x01", b"\x91\x91\xa1x", b"\x91" * 1000 + b"\xc0", b"\x90" + bytes(MAX_PAYLOAD)]
)
def test_a_reply_that_says_nothing_is_refused(payload: bytes) -> None:
    frame, awaiting = said()
    message, _ = read_hello(HIGH, EDGE, CHALLENGED, frame).introduced.write(payload)
    with pytest.raises(WireError):
        read_reply(awaiting, bytes([REPLY]) + message)


def test_a_greeting_names_its_version() -> None:
    assert read_greeting(greeting(CHALLENGED)) == CHALLENGED
    with pytest.raises(WireError, match="greets as version 9 of p2pme, and this is 2"):
        read_greeting(bytes([GREETING, 9]) + bytes(40))
    with pytest.raises(WireError, match="no greeting"):
        read_greeting(greeting(CHALLENGED)[:-1])
    with pytest.raises(WireError):
        proof_of(bytes([HELLO]) + bytes(MAX_FRAME))


@given(st.binary(max_size=300), st.sampled_from([b"", bytes([HELLO]), bytes([REPLY]), bytes([GREETING, VERSION])]))
def test_any_bytes_raise_nothing_but_the_wire_error(junk: bytes, dress: bytes) -> None:
    frame = dress + junk
    with pytest.raises(WireError):
        read_hello(HIGH, EDGE, CHALLENGED, frame.ljust(HEAD, b"\0"))
    with pytest.raises(WireError):
        read_reply(said()[1], frame)
    for read in (read_greeting, proof_of):
        with contextlib.suppress(WireError):
            read(frame)


def test_a_hello_is_known_by_its_kind_and_its_length() -> None:
    """A proof, a masked digest and at least a byte of the handshake itself, in one frame."""
    head = 1 + PROOF + DIGEST
    for size in (head + 1, head + 2, MAX_FRAME):
        frame = bytes([HELLO]) + bytes(range(PROOF)) + bytes(size - 1 - PROOF)
        assert len(frame) == size and proof_of(frame) == bytes(range(PROOF))
        with pytest.raises(WireError, match="something else than a handshake"):
            proof_of(bytes([HELLO + 1]) + frame[1:])
    for size in (0, 1, head, MAX_FRAME + 1):
        with pytest.raises(WireError, match="something else than a handshake"):
            proof_of((bytes([HELLO]) + bytes(MAX_FRAME))[:size])


def test_what_a_neighbour_names_is_shown_without_signs_of_its_own_and_cut() -> None:
    words = contracts_differ(3, ["mo\x1b[2Jdel", "caf\u00e9", "tra\nining", "x" * 80])
    shown = f"`mo?[2Jdel`, `caf?`, `tra?ining`, `{'x' * 64}`"
    assert words.startswith(f"peer 3 has another contract: {shown} differ")


@pytest.mark.parametrize(
    ("name", "value", "is_one"),
    [
        ("model", bytes(DIGEST), True),
        ("model", bytes(DIGEST - 1), False),
        ("model", bytes(DIGEST + 1), False),
        ("model", "m" * DIGEST, False),
        (1, bytes(DIGEST), False),
        (b"model", bytes(DIGEST), False),
    ],
)
def test_a_section_is_a_text_and_the_bytes_of_a_digest(name: object, value: object, is_one: bool) -> None:
    assert _is_digest(name, value) is is_one

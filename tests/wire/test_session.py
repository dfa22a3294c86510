"""A session takes records in any state of repair: what is refused costs one message at most."""

from __future__ import annotations

import numpy as np
import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.noise import Ciphers
from p2pfl_me.wire.session import Session

SCHEMA = Schema(5, b"d" * 32)
MODEL = Message(Kind.OFFER, 3, 3, np.arange(5, dtype=np.float32))


def pair() -> tuple[Session, Session]:
    there, back = b"a" * 32, b"b" * 32
    return Session(0, 1, Ciphers(there, back, b""), SCHEMA), Session(1, 0, Ciphers(back, there, b""), SCHEMA)


def records(session: Session, message: Message) -> list[memoryview]:
    session.queue(message)
    out = []
    while (found := session.next_record()) is not None:
        out.append(found[0])
    return out


def test_a_replayed_header_does_not_cost_the_message_under_way() -> None:
    sender, receiver = pair()
    header, body = records(sender, MODEL)
    got: list[Message] = []
    receiver.receive(header, got.append)
    with pytest.raises(WireError, match="replayed"):
        receiver.receive(header, got.append)
    receiver.receive(body, got.append)
    assert got == [MODEL]


def test_a_replayed_body_does_not_cost_the_message_under_way() -> None:
    sender, receiver = pair()
    got: list[Message] = []
    first = records(sender, MODEL)
    for record in first:
        receiver.receive(record, got.append)
    header, body = records(sender, MODEL)
    receiver.receive(header, got.append)
    with pytest.raises(WireError, match="replayed"):
        receiver.receive(first[1], got.append)
    receiver.receive(body, got.append)
    assert got == [MODEL, MODEL]


def test_a_spoiled_body_costs_its_message_and_no_other() -> None:
    sender, receiver = pair()
    header, body = records(sender, MODEL)
    spoiled = bytearray(body)
    spoiled[-1] ^= 1
    got: list[Message] = []
    receiver.receive(header, got.append)
    with pytest.raises(WireError, match="authenticate"):
        receiver.receive(memoryview(spoiled), got.append)
    for record in records(sender, MODEL):
        receiver.receive(record, got.append)
    assert got == [MODEL]


def test_a_body_never_completes_another_message() -> None:
    """The body of one message and the header of the next are lost, and what comes is as long as what was due."""
    sender, receiver = pair()
    header, _ = records(sender, MODEL)
    _, body = records(sender, Message(Kind.OFFER, 4, 4, np.ones(5, np.float32)))
    got: list[Message] = []
    receiver.receive(header, got.append)
    receiver.receive(body, got.append)
    for record in records(sender, MODEL):
        receiver.receive(record, got.append)
    assert got == [MODEL]

"""Every frame and record of one length is read at that length and of that kind alone, and a byte decides."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.wire.admission import CHALLENGE, PROOF
from p2pfl_me.wire.handshake import DIGEST, HELLO, MAX_FRAME, greeting, proof_of, read_greeting
from p2pfl_me.wire.meeting import ABSENT, MEET, MET, is_met, read_meet
from p2pfl_me.wire.session import RECEIVED, STANDING, Session, Standing
from p2pfl_me.wire.sightings import ASKED, TOLD, Sightings
from tests.wire.test_session import SCHEMA, connect


def standing(frame: bytes) -> object:
    opener = SimpleNamespace(open=lambda record: bytes(record[1:]))
    return Standing.read(memoryview(frame), opener)  # type: ignore[arg-type]


def sighted(frame: bytes) -> object:
    """Where peer 0 was asked about and its answer is due."""
    end = Sightings()
    end.ask(0)
    end.next()
    return end.hear(frame[0] if frame else 0, frame[1:])


def received(frame: bytes) -> None:
    one, two = Session(0, 1, None, SCHEMA), Session(1, 0, None, SCHEMA)
    connect(one, two)
    two.receive(one._sealer.seal(frame[0] if frame else 0, frame[1:]), lambda message: None)


READERS: list[tuple[str, Callable[[bytes], object], bytes]] = [
    ("greeting", read_greeting, greeting(bytes(CHALLENGE))),
    ("call at a relay", read_meet, bytes([MEET]) + bytes(2 * PROOF)),
    ("not there", is_met, bytes([ABSENT])),
    ("there", is_met, bytes([MET])),
    ("standing", standing, bytes([STANDING]) + bytes(8 + 8 + 16)),
    ("asked", sighted, bytes([ASKED]) + bytes(4)),
    ("told", sighted, bytes([TOLD]) + bytes(9)),
    ("received", received, bytes([RECEIVED]) + bytes(16)),
]


@pytest.mark.parametrize(("reader", "frame"), [each[1:] for each in READERS], ids=[each[0] for each in READERS])
def test_a_byte_more_or_less_and_another_kind_are_refused(reader: Callable[[bytes], object], frame: bytes) -> None:
    reader(frame)
    for other in (frame[:-1], frame + b"\0", bytes([frame[0] + 100]) + frame[1:]):
        with pytest.raises(WireError):
            reader(other)


def test_a_hello_is_longer_than_its_head_and_no_longer_than_a_frame() -> None:
    head = bytes([HELLO]) + bytes(PROOF + DIGEST)
    for frame in (head, head[:-1], b"", bytes([HELLO + 1]) + head[1:] + b"\0", head + bytes(MAX_FRAME + 1 - len(head))):
        with pytest.raises(WireError, match="something else than a handshake"):
            proof_of(frame)
    for frame in (head + b"\0", head + bytes(MAX_FRAME - len(head))):
        assert proof_of(frame) == bytes(PROOF)

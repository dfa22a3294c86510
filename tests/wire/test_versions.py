"""Two labs with two versions of p2pme: they take the newest that both speak, or part with words for either."""

from __future__ import annotations

from itertools import product

import msgpack
import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.wire.admission import PROOF, masked, proof
from p2pfl_me.wire.handshake import DIGEST, HELLO, REPLY, Terms, hello, read_hello, read_reply, reply
from p2pfl_me.wire.noise import Ciphers, Initiator, Responder
from p2pfl_me.wire.versions import BEFORE, MOST, NEWEST, OURS, SILENT, Spoken, spoken
from tests.wire.test_handshake import CHALLENGED, EDGE, HIGH, LOW
from tests.wire.test_handshaker import End, call

RANGES = [BEFORE, *(Spoken(oldest, newest) for newest in range(SILENT + 1, 7) for oldest in range(SILENT, newest + 1))]


@pytest.mark.few(15)
@pytest.mark.parametrize(("low", "high"), [*product(RANGES, RANGES)], ids=str)
def test_both_take_the_newest_that_both_speak_or_part_with_words(low: Spoken, high: Spoken) -> None:
    """All ranges up to version 6, either end the older one, one that says nothing of versions among them."""
    newest = [
        each for each in range(SILENT, 7) if low.oldest <= each <= low.newest and high.oldest <= each <= high.newest
    ]
    one, other = End(0, 1, terms={"speaks": low}), End(1, 0, terms={"speaks": high})
    call(one, other)
    assert low.common(high) == high.common(low) == max(newest, default=None)
    if newest:
        assert one.said("up") and other.said("up") and not one.said("complain") and not other.said("complain")
        return
    assert not one.said("up") and not other.said("up") and not other.said("stranger")
    assert one.said("hang_up") == [(one.connection,)]
    if high.says_so:  # one of before hears nothing of it
        ((_, words),) = other.said("complain")
        assert f"speaks {low} of p2pme's links, and this p2pme {high}" in words
    ((_, words),) = one.said("complain")
    if low.says_so and high.says_so:
        assert f"speaks {high} of p2pme's links, and this p2pme {low}" in words
        assert ("this one is to be updated" in words) == (low.newest < high.oldest)
    elif low.says_so:
        assert f"speaks {BEFORE} of p2pme's links" in words and "the other one is to be updated" in words
    else:
        assert "`speaks` differ" in words, "the older p2pme knows of sections alone"


def test_a_p2pme_of_before_is_linked_by_its_own_code_whichever_end_it_is() -> None:
    """As it stood before versions were said: introduction and reply, read and written, to the byte."""
    said, awaiting = hello(LOW, HIGH.identity.public, EDGE, CHALLENGED)
    claimed = masked(EDGE, CHALLENGED, said[1 + PROOF : 1 + PROOF + DIGEST])
    payload, introduced = Responder(HIGH.identity.private, claimed + CHALLENGED).read(said[1 + PROOF + DIGEST :])
    peer, sections = msgpack.unpackb(payload)
    known = {name: value for name, value in sections.items() if isinstance(value, bytes) and len(value) == DIGEST}
    assert (peer, known) == (0, dict(LOW.sections))
    message, theirs = introduced.write(msgpack.packb([]))
    differing, ours = read_reply(awaiting, bytes([REPLY]) + message)
    assert not differing and linked(ours, theirs)

    begun = Initiator(LOW.identity.private, HIGH.identity.public, LOW.prologue + CHALLENGED)
    message, awaiting = begun.write(msgpack.packb([0, dict(LOW.sections)]))
    answer = proof(EDGE, LOW.identity.public, CHALLENGED)
    made = read_hello(
        HIGH, EDGE, CHALLENGED, bytes([HELLO]) + answer + masked(EDGE, CHALLENGED, LOW.prologue) + message
    )
    said, theirs = reply(made)
    payload, ours = awaiting.read(said[1:])
    assert made.version == SILENT and msgpack.unpackb(payload) == [] and linked(ours, theirs)


def linked(ours: Ciphers, theirs: Ciphers) -> bool:
    return (ours.send, ours.receive) == (theirs.receive, theirs.send)


@pytest.mark.parametrize("said", [b"", b"\x02", b"\x00\x03", b"\x03\x02", b"\x02\x03\x04", [2, 3], 3, "23", None, True])
def test_what_is_no_range_of_versions_is_refused(said: object) -> None:
    message, _ = Initiator(LOW.identity.private, HIGH.identity.public, LOW.prologue + CHALLENGED).write(
        msgpack.packb([0, {**LOW.sections, "speaks": said}])
    )
    frame = hello(LOW, HIGH.identity.public, EDGE, CHALLENGED)[0][: 1 + PROOF + DIGEST] + message
    if said is None:
        assert read_hello(HIGH, EDGE, CHALLENGED, frame).theirs == BEFORE
        return
    with pytest.raises(WireError):
        read_hello(HIGH, EDGE, CHALLENGED, frame)


def test_versions_are_numbers_of_a_byte_and_a_range() -> None:
    assert spoken(2, 3) == OURS == Spoken(SILENT, NEWEST) and spoken(MOST, MOST) == Spoken(MOST, MOST)
    for wrong in ((0, 3), (3, 2), (True, 3), (2, MOST + 1), (2.0, 3), ("2", 3)):
        assert spoken(*wrong) is None


def test_where_contracts_differ_too_the_sections_are_told() -> None:
    other = Terms(1, HIGH.identity, b"q" * 32, {"model": b"x" * 32, "training": b"t" * 32})
    said, awaiting = hello(LOW, HIGH.identity.public, EDGE, CHALLENGED)
    answer, _ = reply(read_hello(other, EDGE, CHALLENGED, said))
    assert read_reply(awaiting, answer)[0] == ["model"]

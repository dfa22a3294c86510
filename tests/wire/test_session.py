"""A session takes records in any state of repair; over connections that break, nothing is lost or doubled."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.errors import WireError
from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.noise import Ciphers
from p2pfl_me.wire.records import Opener, Sealer, Unauthentic
from p2pfl_me.wire.session import _RECEIVED, _STANDING, BODY, MESSAGE, RECEIVED, STANDING, Session, Standing

SCHEMA = Schema(5, b"d" * 32)
LARGE = Schema(5000, b"d" * 32)
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
    with pytest.raises(Unauthentic):
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


@pytest.mark.parametrize("size", [0, 4, 1020, 1025, 20_004])
def test_a_piece_of_another_length_is_refused_and_the_next_message_passes(size: int) -> None:
    """Two-byte pieces would cost ten thousand times what they bring."""
    sealer, opened = Sealer(b"a" * 32), Session(1, 0, Ciphers(b"b" * 32, b"a" * 32, b""), LARGE)
    sender = Session(0, 1, Ciphers(b"a" * 32, b"b" * 32, b""), LARGE)
    model = Message(Kind.OFFER, 1, 1, np.ones(5000, np.float32))
    sender.queue(model)
    header, out, _ = sender.next_record() or (memoryview(b""), None, 0)
    assert out is not None
    got: list[Message] = []
    sealer.seal(MESSAGE, b"")  # the counter of the true header
    opened.receive(header, got.append)
    with pytest.raises(WireError, match="of the message are due") as refusal:
        opened.receive(sealer.seal(BODY, bytes(size)), got.append)
    assert not isinstance(refusal.value, Unauthentic), "the sender is to blame"
    opened.receive(sealer.seal(MESSAGE, out.header), got.append)
    assert out.body is not None
    for begin in range(0, out.body.nbytes, 4096):
        opened.receive(sealer.seal(BODY, out.body[begin : begin + 4096]), got.append)
    assert got == [model]
    assert opened.received == size + out.body.nbytes, "the sender's pace counts what was refused, too"


def test_who_has_heard_nothing_says_so() -> None:
    fresh = Standing(*_STANDING.unpack(Session(0, 1, None, SCHEMA).standing()))
    assert (fresh.yours, fresh.messages, fresh.bytes) == (bytes(8), 0, 0)
    speaks, _ = pair()
    speaks.queue_ping()
    record, *_ = speaks.next_record() or (memoryview(b""),)
    assert Opener(b"a" * 32).open(record) == _RECEIVED.pack(0, 0)


def test_what_was_never_sent_cannot_be_confirmed() -> None:
    one, two = Session(0, 1, None, SCHEMA), Session(1, 0, None, SCHEMA)
    sealer = connect(one, two)
    for messages in (2, 2**64 - 1):
        with pytest.raises(WireError, match="not sent"):
            one.receive(sealer.seal(RECEIVED, messages.to_bytes(8, "big") + bytes(8)), lambda _: None)
    for kind, data in ((RECEIVED, b""), (STANDING, bytes(32)), (99, b"")):
        with pytest.raises(WireError, match="nobody sends"):
            one.receive(sealer.seal(kind, data), lambda _: None)


# -- conversations over several connections ---------------------------------------------------------------------------


def connect(one: Session, two: Session, *, heard: tuple[bool, bool] = (True, True)) -> Sealer:
    """A new connection; `heard` says who hears the other's first record. Returns what seals for `one`."""
    there, back = Sealer(b"a" * 32), Sealer(b"b" * 32)
    first, second = there.seal(STANDING, one.standing()), back.seal(STANDING, two.standing())
    openers = Opener(b"b" * 32), Opener(b"a" * 32)
    theirs = Standing.read(second, openers[0]), Standing.read(first, openers[1])
    if all(heard):
        assert one.goes_on(theirs[0]) == two.goes_on(theirs[1])
    if heard[0]:
        one.connected(theirs[0], there, openers[0])
    if heard[1]:
        two.connected(theirs[1], back, openers[1])
    return back


def pump(sender: Session, most: int) -> Iterator[memoryview]:
    while (found := sender.next_record(most)) is not None:
        yield found[0]


@given(
    cuts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), max_size=6),
    kinds=st.lists(st.booleans(), max_size=6),
    most=st.sampled_from([1024, 4096, 8192, 1 << 21]),
)
def test_however_connections_break_all_messages_arrive_once_and_in_order(
    cuts: list[tuple[int, int, bool]], kinds: list[bool], most: int
) -> None:
    """Each connection carries some records one way and some answers back, and breaks; the last one holds."""
    one, two = Session(0, 1, None, LARGE), Session(1, 0, None, LARGE)
    connect(one, two)
    rng = np.random.default_rng(0)
    said = [
        Message(Kind.OFFER, round, 0, rng.normal(size=5000).astype(np.float32)) if large else Message(Kind.SKIP, round)
        for round, large in enumerate(kinds)
    ]
    for message in said:
        one.queue(message)
    got: list[Message] = []
    sent = 0
    for forth, back, confirmed in cuts:
        for _, record in zip(range(forth), pump(one, most), strict=False):
            sent += record.nbytes
            two.receive(record, got.append)
        if confirmed:
            two.queue_ping()
        for _, record in zip(range(back), pump(two, most), strict=False):
            one.receive(record, lambda _: None)
        next(pump(one, most), None)  # this one is lost on the way
        connect(one, two)
    for record in pump(one, most):
        sent += record.nbytes
        two.receive(record, got.append)
    assert got == said
    assert sent <= sum(100 + 20_000 * large + (20_000 // most + 1) * 25 for large in kinds) + 200 * len(cuts)
    two.queue_ping()
    for record in pump(two, most):
        one.receive(record, lambda _: None)
    assert one.is_idle and not one._queue, "what was confirmed is not kept"


@pytest.mark.parametrize("heard", [(True, False), (False, True)])
def test_a_first_record_that_one_end_never_hears_changes_nothing(heard: tuple[bool, bool]) -> None:
    one, two = Session(0, 1, None, LARGE), Session(1, 0, None, LARGE)
    connect(one, two)
    model = Message(Kind.OFFER, 1, 1, np.ones(5000, np.float32))
    one.queue(model)
    got: list[Message] = []
    for _, record in zip(range(3), pump(one, 4096), strict=False):
        two.receive(record, got.append)
    connect(one, two, heard=heard)
    connect(one, two)
    records_left = list(pump(one, 4096))
    for record in records_left:
        two.receive(record, got.append)
    assert got == [model] and len(records_left) == 3, "from the byte where it stopped"


@pytest.mark.parametrize("restarted", [0, 1])
def test_who_has_begun_anew_gets_nothing_of_what_was_said_before(restarted: int) -> None:
    ends = [Session(0, 1, None, LARGE), Session(1, 0, None, LARGE)]
    connect(*ends)
    ends[0].queue(Message(Kind.OFFER, 1, 1, np.ones(5000, np.float32)))
    got: list[Message] = []
    for _, record in zip(range(3), pump(ends[0], 4096), strict=False):
        ends[1].receive(record, got.append)
    ends[restarted] = Session(restarted, 1 - restarted, None, LARGE)
    connect(*ends)
    assert list(pump(ends[0], 4096)) == []
    ends[0].queue(Message(Kind.SKIP, 2))
    for record in pump(ends[0], 4096):
        ends[1].receive(record, got.append)
    assert got == [Message(Kind.SKIP, 2)]
    connect(*ends)
    assert ends[0].goes_on(Standing(ends[1]._name, ends[0]._name, 1, 0))


def test_a_standing_that_cannot_be_is_not_gone_on_from() -> None:
    one, two = Session(0, 1, None, LARGE), Session(1, 0, None, LARGE)
    connect(one, two)
    one.queue(Message(Kind.OFFER, 1, 1, np.ones(5000, np.float32)))
    assert one.next_record() is not None
    for messages, count in ((2, 0), (2**64 - 1, 0), (0, 1), (0, 2**64 - 1), (1, 1)):
        assert not one.goes_on(Standing(two._name, one._name, messages, count))
    assert one.goes_on(Standing(two._name, one._name, 0, 0))


def test_an_answer_that_is_asked_for_again_does_not_travel_again() -> None:
    """A request of forty bytes would draw a whole model each time."""
    one, two = Session(0, 1, None, LARGE), Session(1, 0, None, LARGE)
    connect(one, two)
    params = np.ones(5000, np.float32)
    got: list[Message] = []
    for _ in range(50):
        one.queue(Message(Kind.ANSWER, 1, 1, params))
        for record in pump(one, 1 << 21):
            two.receive(record, got.append)
    assert len(got) == 1
    one.queue(Message(Kind.ANSWER, 2, 2, params))
    one.queue(Message(Kind.ANSWER, 2, 2, params.copy()))
    for record in pump(one, 1 << 21):
        two.receive(record, got.append)
    assert len(got) == 3, "another round's, or another model, does"
    del params
    got.clear()
    two.queue_ping()
    for record in pump(two, 1 << 21):
        one.receive(record, lambda _: None)
    gc.collect()
    assert one._model is not None and one._model[1]() is None, "and nothing is kept alive for it"


def test_what_is_to_be_echoed_overtakes_what_is_left_of_a_model() -> None:
    here, there = pair()
    here.queue(MODEL)
    heard: list[Message] = []
    header = here.next_record()
    assert header
    there.receive(header[0], heard.append)
    here.queue_echo(b"are you there")
    echo = here.next_record()
    assert echo and echo[1] is None
    there.receive(echo[0], heard.append)
    back = there.next_record()
    assert back and not heard
    here.receive(back[0], heard.append)
    assert here.is_echoed and not there.is_echoed
    body = here.next_record()
    assert body
    there.receive(body[0], heard.append)
    assert heard == [MODEL]


def test_one_echo_at_a_time_and_only_of_what_was_sent() -> None:
    """Otherwise a neighbour could have anything kept, or make a line look faster than it is."""
    here, there = pair()
    for _ in range(2):
        here.queue_echo(b"again")
        record = here.next_record()
        assert record
        if not there.is_idle:
            with pytest.raises(WireError, match="before the last has gone back"):
                there.receive(record[0], lambda _: None)
        else:
            there.receive(record[0], lambda _: None)
    forged = there.next_record()
    assert forged
    here.queue_echo(b"other")
    here.next_record()
    with pytest.raises(WireError, match="which were not sent"):
        here.receive(forged[0], lambda _: None)
    assert not here.is_echoed

"""What a session says in which order, what it forgets with a connection, and from where on it is behind."""

from __future__ import annotations

import numpy as np
import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.message import Kind, Message
from p2pfl_me.wire import session as module
from p2pfl_me.wire import sightings
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.echo import ECHO, ECHOED, Echoes
from p2pfl_me.wire.session import BODY, BYE, MESSAGE, RECEIVED, TWICE, Session
from p2pfl_me.wire.sightings import ASKED, TOLD, Seen, Sight, Sightings
from tests.wire.test_session import SCHEMA, connect

MODEL = Message(Kind.OFFER, 3, 3, np.arange(5, dtype=np.float32))
WORD = Message(Kind.HELLO, 0, 0, None)


def two_ends() -> tuple[Session, Session]:
    one, two = Session(0, 1, None, SCHEMA), Session(1, 0, None, SCHEMA)
    connect(one, two)
    return one, two


def kinds(session: Session, most: int = 1 << 20) -> list[int]:
    """Of all that it has to say; only pieces of bodies count as such, and only they and headers belong to a message."""
    found = []
    while (record := session.next_record(most)) is not None:
        data, out, size = record
        found.append(data[0])
        assert (size > 0) is (data[0] == BODY) and (out is not None) is (data[0] in (BODY, MESSAGE))
    return found


def tell(one: Session, two: Session, got: list[Message]) -> None:
    """All that one end has to say reaches the other."""
    while (record := one.next_record()) is not None:
        two.receive(record[0], got.append)


def test_what_is_urgent_leaves_before_what_is_long() -> None:
    one, two = two_ends()
    two.queue_echo(b"x")
    two.sightings.ask(7)
    tell(two, one, [])
    assert one.sightings.asked() == [7] and one.is_idle is False
    one.queue(MODEL)
    one.queue_bye()
    one.queue_bye()
    one.queue_change(b"first")
    one.queue_change(b"second")
    one.sightings.tell(Seen(7, Sight.UP, 1.5))
    one.queue_echo(b"back")
    one.queue_ping()
    one.queue_ping()
    one.queue_twice()
    order = [TWICE, RECEIVED, ECHOED, ECHO, TOLD, module.CHANGE, module.CHANGE, MESSAGE]
    assert kinds(one, most=0) == order and not one.is_idle, "a body waits where none may be sent"
    assert kinds(one) == [BODY, BYE] and one.is_idle and not one.is_over


def test_what_a_record_brings_of_a_body_is_counted_to_the_byte() -> None:
    one, _ = two_ends()
    for message in (WORD, MODEL):
        one.queue(message)
    one.queue_ping()
    one.queue_bye()
    sizes = []
    while (found := one.next_record(12)) is not None:
        record, out, size = found
        sizes.append((record[0], out.message.kind if out else None, size))
    word, model = (MESSAGE, WORD.kind, 0), (MESSAGE, MODEL.kind, 0)
    assert sizes == [(RECEIVED, None, 0), word, model, (BODY, MODEL.kind, 12), (BODY, MODEL.kind, 8), (BYE, None, 0)]


def test_each_word_arrives_as_it_was_said() -> None:
    one, two = two_ends()
    got: list[Message] = []
    one.queue_twice()
    one.queue_echo(b"abc")
    one.queue_change(b"change")
    one.sightings.ask(4)
    one.queue(WORD)
    assert not two.is_twice and not one.is_echoed and not two.has_parted
    tell(one, two, got)
    assert two.is_twice and not one.is_twice and list(two.changes) == [b"change"] and two.sightings.asked() == [4]
    assert (two.begun, two.received) == (1, 0) and [each.kind for each in got] == [Kind.HELLO]
    two.sightings.tell(Seen(4, Sight.GONE, 2.0))
    two.queue_ping()
    assert not one.is_echoed
    tell(two, one, got)
    assert one.is_echoed and one.seen == [Seen(4, Sight.GONE, 2.0)] and one.acknowledged == 0
    one.queue_echo(b"def")
    assert not one.is_echoed, "of the new one nothing has come back"
    one.queue(MODEL)
    tell(one, two, got)
    two.queue_ping()
    tell(two, one, got)
    assert (two.received, one.acknowledged) == (20, 20) and got[-1] == MODEL
    one.queue_bye()
    assert not one.is_idle and not one.is_over
    tell(one, two, got)
    assert two.has_parted and not two.is_over, "it has to answer"
    assert kinds(two) == [BYE] and two.is_over


def test_a_new_connection_forgets_what_was_of_the_old_one_and_says_again_that_it_leaves() -> None:
    one, two = two_ends()
    got: list[Message] = []
    one.queue(MODEL)
    tell(one, two, got)
    two.queue_ping()
    two.queue_echo(b"x")
    tell(two, one, got)
    one.queue_bye()
    tell(one, two, got)
    for end in (one, two):
        end.queue_change(b"c")
        end.sightings.ask(3)
        end.queue_ping()
        end.queue_echo(b"y")
        end.seen.append(Seen(3, Sight.UP, 0.0))
    two.is_echoed = True
    connect(one, two)
    for end in (one, two):
        assert (end.received, end.acknowledged, end.seen, end.is_echoed, end.has_parted) == (0, 0, [], False, False)
        assert end.sightings.is_idle
        assert kinds(end) == [BYE], "the farewell alone is said again"
    fresh, other = two_ends()
    connect(fresh, other)
    assert fresh.is_idle and kinds(fresh) == [], "who has not parted says nothing"


def test_what_was_received_whole_is_counted_with_what_was_refused() -> None:
    one, two = two_ends()
    two.queue(MODEL)
    got: list[Message] = []
    header, *_ = two.next_record() or (memoryview(b""),)
    one.receive(header, got.append)
    foreign = Session(1, 0, None, Schema(6, b"e" * 32))
    sealer = connect(one, two)
    assert module.Standing(*module._STANDING.unpack(one.standing())).messages == 0
    with pytest.raises(WireError):
        one.receive(sealer.seal(MESSAGE, module.encoded(WORD, 5, foreign._schema).header), got.append)
    assert one.begun == 2 and module.Standing(*module._STANDING.unpack(one.standing())).messages == 1


def test_a_body_that_is_refused_is_counted_as_confirmed_and_the_next_message_passes() -> None:
    one, two = two_ends()
    two.queue(Message(Kind.OFFER, 3, 3, np.full(5, np.nan, np.float32)))
    two.queue(WORD)
    got: list[Message] = []
    one.receive(two.next_record()[0], got.append)  # type: ignore[index]
    with pytest.raises(WireError):
        one.receive(two.next_record()[0], got.append)  # type: ignore[index]
    assert module.Standing(*module._STANDING.unpack(one.standing())).messages == 1
    tell(two, one, got)
    one.queue_ping()
    tell(one, two, [])
    assert [each.kind for each in got] == [WORD.kind] and two.is_idle and not two._queue


def fed(schema: Schema, message: Message, most: int) -> tuple[list[Message], int, int]:
    """What arrives of a message in pieces, in how many it is refused or whole, and the bytes of bodies that came."""
    one, two = Session(0, 1, None, schema), Session(1, 0, None, schema)
    connect(one, two)
    one.queue(message)
    got, pieces = list[Message](), 0
    while (record := one.next_record(most)) is not None:
        pieces += record[0][0] == BODY
        try:
            two.receive(record[0], got.append)
        except WireError as error:
            assert "NaN" in error.what
            break
    return got, pieces, two.received


@pytest.mark.parametrize(("at", "piece"), [(0, 1), (255, 1), (256, 2), (511, 2), (512, 3), (699, 3), (None, 3)])
def test_each_piece_is_checked_as_it_comes_and_nothing_that_has_not_come(
    at: int | None, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_of_nan(count: int, dtype: str) -> object:
        return np.frombuffer(bytearray(b"\xff" * (count * np.dtype(dtype).itemsize)), dtype)

    weights = np.ones(700, np.float32)
    if at is not None:
        weights[at] = np.nan
    message, schema = Message(Kind.OFFER, 3, 3, weights), Schema(700, b"d" * 32)
    monkeypatch.setattr(np, "empty", full_of_nan)  # memory holds anything before it is written to
    got, pieces, received = fed(schema, message, 1024)
    assert pieces == piece and received == min(1024 * piece, 2800) and got == ([message] if at is None else [])


@pytest.mark.parametrize("size", [1, 1023, 1024, 1025, 2049, 3000])
def test_a_packed_model_comes_in_pieces_to_its_last_byte_whatever_these_would_be_as_weights(size: int) -> None:
    message = Message(Kind.OFFER, 3, 3, packed=np.full(size, 255, np.uint8))
    got, pieces, received = fed(Schema(700, b"d" * 32, packed=3000), message, 1024)
    assert (pieces, received) == (-(-size // 1024), size)
    assert len(got) == 1 and got[0].packed is not None and got[0].packed.tobytes() == b"\xff" * size


def test_it_is_behind_from_the_stated_numbers_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_MODELS", 2)
    monkeypatch.setattr(module, "MOST_BYTES", 60)
    monkeypatch.setattr(module, "MOST_MESSAGES", 5)

    def behind(models: int, words: int) -> bool:
        session = Session(0, 1, None, SCHEMA)
        for number in range(models):
            session.queue(Message(Kind.OFFER, number, number, np.ones(5, np.float32)))
        for _ in range(words):
            session.queue(WORD)
        return session.is_behind

    assert [behind(models, 0) for models in range(6)] == [False, False, False, False, True, True]
    assert [behind(0, words) for words in range(4, 8)] == [False, False, True, True]
    assert [behind(2, words) for words in range(2, 5)] == [False, False, True] and not behind(3, 2)
    monkeypatch.setattr(module, "MOST_BYTES", 30)
    assert not behind(2, 1), "so many models may wait however large they are"


def test_one_question_at_a_time_of_each_and_no_more_than_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "MOST", 2)
    here, there = Sightings(), Sightings()
    assert here.is_idle and here.next() is None and here.asked() == []
    for peer in (5, 5, 6, 7):
        here.ask(peer)
    assert not here.is_idle
    words = [here.next(), here.next()]
    assert here.next() is None and here.is_idle, "two are open, and no third is asked for"
    here.ask(5)
    here.ask(7)
    assert here.next() is None
    for word in words:
        assert word is not None and word[0] == ASKED and there.hear(*word) is None
    assert there.asked() == [5, 6]
    with pytest.raises(WireError, match="again and again"):
        there.hear(*words[0])  # type: ignore[misc]
    there.tell(Seen(6, Sight.LEFT, 1.2345))
    there.tell(Seen(5, Sight.NOTHING, 1e9))
    assert there.asked() == [] and not there.is_idle
    with pytest.raises(WireError, match="again and again"):
        there.hear(*words[0])  # type: ignore[misc]
    told = [there.next(), there.next()]
    assert there.next() is None and there.is_idle and all(word and word[0] == TOLD for word in told)
    assert here.hear(*told[0]) == Seen(6, Sight.LEFT, 1.234)  # type: ignore[misc]
    with pytest.raises(WireError, match="peer 6, which nobody asked"):
        here.hear(*told[0])  # type: ignore[misc]
    assert here.hear(*told[1]) == Seen(5, Sight.NOTHING, (2**32 - 1) / 1000)  # type: ignore[misc]
    here.ask(7)
    assert here.next() is not None
    kind, payload = told[0]  # type: ignore[misc]
    for bad in ((kind, payload[:-1]), (kind, payload + b"x"), (ASKED, b""), (99, payload)):
        with pytest.raises(WireError, match=f"a word of {len(bad[1])} bytes about others"):
            here.hear(*bad)
    here.ask(6)
    here.next()
    with pytest.raises(WireError, match="nobody asked"):
        here.hear(TOLD, sightings._TOLD.pack(6, max(Sight) + 1, 0))


def test_an_echo_goes_back_before_another_is_asked_for() -> None:
    here = Echoes()
    assert here.is_idle and here.next() is None
    here.ask(b"mine")
    assert not here.hear(ECHO, b"yours") and not here.is_idle
    assert [here.next(), here.next(), here.next()] == [(ECHOED, b"yours"), (ECHO, b"mine"), None] and here.is_idle
    assert here.hear(ECHOED, b"mine")
    for late in (b"mine", b"other"):
        with pytest.raises(WireError, match=f"an echo of {len(late)} bytes, which were not sent"):
            here.hear(ECHOED, late)
    here.ask(b"one")
    here.next()
    here.ask(b"two")
    with pytest.raises(WireError, match="not sent"):
        here.hear(ECHOED, b"one")
    here.hear(ECHO, b"a")
    with pytest.raises(WireError, match="before the last"):
        here.hear(ECHO, b"b")

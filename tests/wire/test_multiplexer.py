"""Links that come up, carry, fall and come back, step by step on a clock of the test's: nothing is really sent."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.wire import neighbour, session
from p2pfl_me.wire.complaints import MUTE, NO_ANSWER
from p2pfl_me.wire.endpoint import Endpoint
from p2pfl_me.wire.multiplexer import TWICE
from p2pfl_me.wire.neighbour import Neighbour
from p2pfl_me.wire.records import RECORD
from p2pfl_me.wire.refusal_log import Repeats
from p2pfl_me.wire.session import MOST_MESSAGES, Session, Standing, encoded
from p2pfl_me.wire.station import Outcome
from tests.wire.spies import MODEL, SCHEMA, WORD, Bench


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    found = Bench(monkeypatch)
    yield found
    found.it.traffic.close()


def test_it_listens_dials_all_and_beats_and_names_who_could_not(bench: Bench) -> None:
    bench.it.start()
    assert bench.sockets.calls[0] == ("listen", "tcp://10.0.0.9:1")
    assert bench.dialler.calls == [("begin", bench.one), ("begin", bench.two)]
    assert ("again", 100.0, 0.5, bench.it._beat) in bench.watcher.calls
    ((_, wait, question),) = bench.reactor.calls
    question()
    name, asked, every = bench.dialler.calls.pop()
    assert (name, [*asked], wait, every) == ("ask", [bench.one, bench.two], 5.0, 5.0)

    def refuse(address: str) -> None:
        raise PeerError("taken", where=address, fix="take another")

    bench.sockets.answers["listen"] = refuse
    with pytest.raises(PeerError, match=r"peer 0 at tcp://10\.0\.0\.9:1: taken\n  -> take another"):
        bench.it.start()


def test_a_link_is_told_once_and_counted(bench: Bench) -> None:
    bench.one.failures, bench.one.unreachable, bench.one.complained = 3, "away", Repeats({"old": (1.0, 2.0)})
    bench.one.dialling = bench.connection()
    connection, _ = bench.link(bench.one)
    assert bench.told("on_link") == [(1, True, "", 1)] and bench.watcher.names() == ["up"]
    one = bench.one
    assert (one.failures, one.unreachable, one.complained, one.dialling) == (0, "", Repeats(), None)
    assert one.connection is connection and connection.reader.most == RECORD and one.is_up
    assert (one.heard, one.made_at) == (100.0, 100.0)
    bench.link(one)
    assert [told[1:] for told in bench.told("on_link")] == [
        (True, "", 1),
        (False, "the neighbour opened a new link", 1),
        (True, "", 2),
    ]


def test_what_is_said_on_one_link_ends_with_it(bench: Bench) -> None:
    bench.it.send(1, encoded(WORD, 0, SCHEMA), 0)
    bench.it.tell(1, b"change", 0)
    assert bench.one.session.is_idle, "there is no link"
    bench.link(bench.one)
    for link in (0, 2):
        bench.it.send(1, encoded(WORD, 0, SCHEMA), link)
        bench.it.tell(1, b"change", link)
    assert bench.one.session.is_idle, "of another link"
    bench.it.tell(1, b"change", 1)
    assert not bench.one.session.is_idle and bench.one.session.next_record() is not None
    bench.it.send(1, encoded(WORD, 0, SCHEMA), 1)
    assert len(bench.one.session._queue) == 1


def test_who_is_too_far_behind_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, _ = bench.link(bench.one)
    monkeypatch.setattr("p2pfl_me.wire.session.MOST_MESSAGES", 20)
    for _ in range(21):
        bench.it.send(1, encoded(WORD, 0, SCHEMA), 1)
    assert bench.told("on_link")[-1] == (1, False, "too far behind with what it says it has received", 1)
    assert ("close", connection) in bench.sockets.calls and bench.one.connection is None and not bench.it._linked
    assert bench.dialler.calls == [] and bench.one.session.is_idle, "with nothing of before"
    (_, wait, again) = bench.reactor.calls[-1]
    assert wait == 0.5, "the other end hears first that it was hung up"
    again()
    assert bench.dialler.calls == [("again", bench.one)]


def test_an_echo_is_asked_of_the_link_that_stands_and_of_no_other(bench: Bench) -> None:
    answers: list[Future[float]] = [Future() for _ in range(4)]
    bench.it.echo(1, b"x", 0, answers[0])
    _, other = bench.link(bench.one)
    bench.it.echo(1, b"x", 0, answers[1])
    for answer in answers[:2]:
        with pytest.raises(WireError, match="has gone"):
            answer.result(0)
    bench.it.echo(1, b"x", 1, answers[2])
    bench.it.echo(1, b"y", 1, answers[3])
    with pytest.raises(WireError, match="has gone"):
        answers[2].result(0)
    bench.now = 103.0
    exchange(bench, bench.one, other)
    assert answers[3].result(0) == 3.0


def exchange(bench: Bench, neighbour: Any, other: Session) -> None:
    """All that one end has to say, and then the other."""
    bench.sockets.answers["send"] = lambda connection, record: other.receive(memoryview(bytes(record)), lambda _: None)
    while bench.it._pump(neighbour):
        pass
    while (record := other.next_record()) is not None:
        bench.it.on_frame(neighbour.connection, record[0])


def test_farewells_are_asked_of_those_who_are_there(bench: Bench) -> None:
    assert bench.it.is_over()
    _, other = bench.link(bench.one)
    bench.it.say_bye()
    assert not bench.it.is_over() and bench.two.session.is_idle
    exchange(bench, bench.one, other)
    assert bench.it.is_over()
    bench.one.unreachable = "no route"
    assert bench.it.unreachable() == {1: "no route"}


def test_a_quarantined_neighbour_is_dropped_with_its_call(bench: Bench) -> None:
    connection, _ = bench.link(bench.one)
    bench.one.dialling = call = bench.connection()
    bench.hands.answers["dialled"] = bench.one
    bench.it.quarantine(1)
    assert bench.one.quarantined and bench.told("on_link")[-1] == (1, False, "quarantined", 1)
    assert [args[0] for name, *args in bench.sockets.calls if name == "close"] == [call, connection]


def test_calls_and_frames_go_where_they_belong(bench: Bench) -> None:
    caller, frame = bench.connection(), memoryview(b"frame")
    bench.it.on_call(caller)
    bench.it.on_frame(caller, frame)
    bench.it.on_connected(caller)
    assert bench.hands.calls == [("on_call", caller, 100.0), ("on_frame", caller, frame, 100.0)]
    assert bench.it.looks_at_calls(1.0) == 0.25 and bench.it.admits(1.0, "10.1.1.1")
    bench.hands.waiting.answers["admits"] = False
    assert not bench.it.admits(1.0, "10.1.1.1")
    assert bench.told("on_refused") == [(None, "a connection from 10.1.1.1, of which there are too many")]
    bench.it.wait(0.5)
    bench.events.is_full = True
    assert bench.it.turn() is False
    assert bench.sockets.calls[-2:] == [("wait", 0.5, 100.0, ("hear", True)), ("work", 100.0, ("hear", False))]
    bench.it.news(bench.one, b"", ("x",))
    bench.it.news(bench.one, b"data", ("x",))
    assert bench.told("on_change") == [(1, b"data", ("x",))]
    gone, replaced = (Neighbour(Endpoint(peer, "", bytes(32)), bench.one.session, is_former=True) for peer in (3, 1))
    for former in (gone, replaced):
        bench.it.news(former, b"more", ("x",))
    assert bench.told("on_change")[1:] == [(3, b"more", ("x",))], (
        "a key that a change has replaced uses up what its follower may tell"
    )


def test_it_wakes_its_sockets_tells_what_failed_and_closes_them_with_the_ledger(bench: Bench) -> None:
    bench.it.wake()
    assert bench.sockets.calls == [("wake",)]
    bench.link(bench.one)
    bench.it._book(1, None, 50)
    assert bench.entries == []
    bench.it.failed(error := OSError("disk"))
    bench.it.close()
    assert bench.told("on_failed") == [(error,)] and bench.sockets.names() == ["wake", "close_all"]
    assert [(each.kind, each.wire) for each in bench.entries] == [("ping", 58)], "the ledger is complete"


@pytest.mark.parametrize(
    ("reason", "why", "told"),
    [("reset", "", "reset"), ("", "", "it closed the connection"), ("reset", "a refusal", "a refusal")],
)
def test_a_connection_without_a_link_fails_its_call(bench: Bench, reason: str, why: str, told: str) -> None:
    call = bench.connection()
    bench.one.dialling = call
    bench.hands.answers |= {"dialled": bench.one, "on_closed": why}
    bench.it.on_closed(call, reason)
    assert bench.hands.calls[0] == ("on_closed", call, reason or "closed by the other end")
    assert ("forget", call) in bench.hands.calls and bench.one.dialling is None
    assert bench.dialler.calls == [("failed", bench.one, told)]
    bench.it.hang_up(call)
    assert len(bench.dialler.calls) == 1, "another call of that neighbour has not failed"
    bench.one.dialling = call
    bench.it.hang_up(call)
    assert bench.dialler.calls[-1] == ("failed", bench.one, "no handshake") and ("close", call) in bench.sockets.calls
    bench.one.dialling = call
    bench.it.hang_up(call, "it does not reach us")
    assert bench.dialler.calls[-1] == ("failed", bench.one, "it does not reach us")


@pytest.mark.parametrize(
    ("late_s", "connecting", "why"), [(0.0, True, NO_ANSWER), (0.0, False, MUTE), (9.0, True, "no handshake")]
)
def test_a_call_that_has_had_its_time_says_what_was_waited_for(
    bench: Bench, late_s: float, connecting: bool, why: str
) -> None:
    bench.one.dialling = slow = bench.connection(connecting=connecting)
    bench.hands.answers |= {"overdue": [slow], "dialled": bench.one}
    bench.watcher.answers["lateness"] = late_s
    bench.it._beat()
    assert bench.dialler.calls == [("failed", bench.one, why)]


def test_a_lost_connection_is_told_when_no_other_takes_its_place(bench: Bench) -> None:
    for parted in (False, True):
        connection, _ = bench.link(bench.one)
        bench.one.session._bye_heard = parted
        before = len(bench.told("on_link"))
        bench.it.on_closed(connection, "reset" if not parted else "")
        if parted:
            assert bench.told("on_link")[-1][:3] == (1, False, "connection lost")
            break
        assert len(bench.told("on_link")) == before and bench.one.is_up and bench.one.lost_at == 100.0
        assert bench.dialler.calls == [("again", bench.one)]
        (_, wait, give_up) = bench.reactor.calls[-1]
        assert wait == 2.0
        bench.now += wait
        bench.one.lost_at = 101.0  # found again, and lost again
        give_up()
        bench.one.lost_at, bench.one.connection = 100.0, connection
        give_up()
        assert bench.one.is_up
        bench.one.connection = None
        give_up()
        assert bench.told("on_link")[-1] == (1, False, "connection lost (reset)", 1) and not bench.one.is_up


def receive(bench: Bench, records: list[memoryview]) -> None:
    for record in records:
        bench.it.on_frame(bench.one.connection, record)


def said(session: Session) -> list[memoryview]:
    found = []
    while (record := session.next_record()) is not None:
        found.append(memoryview(bytes(record[0])))
    return found


def test_changes_are_not_kept_without_end_for_one_that_reads_nothing(bench: Bench) -> None:
    bench.link(bench.one)
    for _ in range(MOST_MESSAGES):
        bench.it.tell(1, b"change", bench.one.link)
    assert bench.one.is_up
    bench.it.tell(1, b"change", bench.one.link)
    assert not bench.one.is_up and bench.one.session.is_idle


def test_a_record_is_counted_answered_and_told(bench: Bench) -> None:
    connection, other = bench.link(bench.one)
    other.queue(MODEL)
    other.queue_change(b"change")
    other.queue_twice()
    receive(bench, said(other))
    assert bench.told("on_message") == [(1, MODEL)] and bench.told("on_change") == [(1, b"change", ())]
    assert bench.told("on_refused") == [(None, f"peer 1 has seen peer 0, this one, twice: {TWICE}")]
    assert not bench.one.session.is_twice and bench.watcher.names().count("take") == 4
    assert bench.it.traffic.totals[1].received > 100
    kinds = [record[0] for record in said(bench.one.session)]
    assert len(kinds) == 1, "what has been received is said once for all"
    assert bench.reactor.calls == [], "nothing came too fast"
    other.queue(WORD)
    bench.one.messages._spent = 1e9
    receive(bench, said(other))
    assert bench.sockets.calls[-1] == ("hear", connection, ("hear", False))
    (_, pause, again) = bench.reactor.calls[-1]
    again()
    assert pause > 0 and bench.sockets.calls[-1] == ("hear", connection, ("hear", True))


def test_what_is_refused_blames_who_has_sealed_it_and_what_is_not_authentic_nobody(bench: Bench) -> None:
    connection, other = bench.link(bench.one)
    record = other._sealer.seal(99, b"")
    before = bench.it.traffic.totals[1].received
    bench.it.on_frame(connection, memoryview(bytes(record)))
    assert bench.told("on_refused") == [(1, "a record of kind 99 with 0 bytes, which nobody sends")]
    assert bench.it.traffic.totals[1].received == before and bench.one.connection is connection
    other.queue(WORD)
    (spoilt,) = said(other)
    spoilt = memoryview(bytearray(spoilt))
    spoilt[-1] ^= 1
    bench.it.on_frame(connection, spoilt)
    assert bench.one.connection is None and len(bench.told("on_refused")) == 1
    assert bench.dialler.calls == [("again", bench.one)] and bench.one.is_up


def test_one_that_is_there_twice_is_told_over_both_connections(bench: Bench) -> None:
    old, _ = bench.link(bench.one)
    strange = Standing(b"another1", bytes(8), 0, 0)
    bench.now = 101.9
    bench.it.replace(bench.one, strange)
    assert bench.one.is_twice and bench.one.connection is None and ("close", old) in bench.sockets.calls
    assert bench.told("on_refused") == [(None, f"peer 1 is there twice: {TWICE}")]
    assert bench.sockets.names() == ["send", "close"], "the old one hears of it first"
    bench.link(bench.one)
    (twice, *_) = said(bench.one.session)
    assert twice[0] == session.TWICE
    bench.now = 104.0  # two heartbeats without a word of the old one: it is dead
    bench.it.replace(bench.one, strange)
    assert not bench.one.is_twice and len(bench.told("on_refused")) == 1
    bench.it.replace(bench.one, strange)
    assert not bench.one.is_twice, "there is none beside it"


@pytest.mark.parametrize("beat", ["not yet", "has come"])
def test_what_lay_there_while_this_peer_slept_is_no_second_process(bench: Bench, beat: str) -> None:
    """Its neighbour had given it up and called anew; what it had said before came first: it was said to be twice."""
    old, _ = bench.link(bench.one)
    bench.own._due = bench.now + 1.0
    bench.now = old.heard_at = 130.0
    if beat == "has come":
        bench.own.lateness(bench.now)
        bench.own._due = bench.now + 1.0
    bench.it.replace(bench.one, Standing(b"begun an", bytes(8), 0, 0))
    assert not bench.one.is_twice and not bench.told("on_refused") and ("close", old) in bench.sockets.calls
    bench.own._due = bench.now + 1.0
    bench.now = 130.5
    bench.link(bench.one)
    bench.it.replace(bench.one, Standing(b"another1", bytes(8), 0, 0))
    assert bench.one.is_twice, "and one that calls while it is awake is noticed"


def test_one_that_comes_back_by_a_name_that_it_had_before_another_is_there_twice(bench: Bench) -> None:
    names = [bytes([65 + k]) * 8 for k in range(neighbour.NAMES + 2)]
    for name in names[:2]:
        assert not bench.one.comes_back_as(name), "a new one"
        bench.one.goes_by(name)
        assert not bench.one.comes_back_as(name), "it goes on"
    bench.it.replace(bench.one, Standing(names[0], bytes(8), 0, 0))
    assert bench.one.is_twice and bench.sockets.calls == [], "there is no other connection to tell it over"
    assert bench.told("on_refused") == [(None, f"peer 1 is there twice: {TWICE}")]
    bench.link(bench.one)
    assert said(bench.one.session)[0][0] == session.TWICE
    bench.one.goes_by(names[0])
    assert bench.one.comes_back_as(names[1]) and not bench.one.comes_back_as(names[0])
    for name in names[2:]:
        bench.one.goes_by(name)
    assert len(bench.one.names) == neighbour.NAMES and not bench.one.comes_back_as(names[1])


def test_what_goes_on_is_complained_of_again_ever_more_rarely(bench: Bench) -> None:
    """For whoever looks later: twelve hours of two complaints that take turns."""
    begun, said = bench.now, list[float]()
    for each in range(12 * 3600 // 2):
        bench.now = begun + 2.0 * each
        before = len(bench.told("on_refused"))
        bench.it.complain(bench.one, "ab"[each % 2])
        said += [bench.now - begun] * (len(bench.told("on_refused")) - before)
    assert said[:6] == [0.0, 2.0, 60.0, 62.0, 180.0, 182.0] and len(said) == 2 * 17
    assert max(later - sooner for sooner, later in zip(said, said[2:], strict=False)) == 3600.0
    bench.link(bench.one)
    bench.it.complain(bench.one, "a")
    assert len(bench.told("on_refused")) == len(said) + 1, "after a link it is news"


def test_complaints_are_made_once_and_not_without_end(bench: Bench) -> None:
    for words in ("a", "a", "b", "a"):
        bench.it.complain(bench.one, words)
    assert bench.told("on_refused") == [(None, "a"), (None, "b")]
    for number in range(30):
        bench.it.complain(bench.one, str(number))
    assert len(bench.told("on_refused")) == 10


@pytest.mark.parametrize(
    ("since_s", "late", "deaf", "down"),
    [(20.0, 0.0, False, False), (20.1, 0.0, False, True), (25.0, 6.0, False, False), (25.0, 0.0, True, False)],
)
def test_silence_is_given_up_on_unless_it_is_ours(
    bench: Bench, since_s: float, late: float, deaf: bool, down: bool
) -> None:
    connection, _ = bench.link(bench.one, deaf=deaf)
    bench.two.endpoint = Endpoint(2, "", b"", dialled=False)
    bench.now += since_s
    bench.watcher.answers["lateness"] = late
    said(bench.one.session)
    bench.it._beat()
    if down:
        assert bench.told("on_link")[-1] == (1, False, "silent for 20 s", 1)
    else:
        assert bench.one.connection is connection and not bench.one.session.is_idle, "a heartbeat is due"
        assert bench.one.heard == (bench.now if deaf else min(bench.now, 100.0 + late))
        assert ("look", bench.one, bench.now) in bench.watcher.calls
    assert bench.watcher.calls[-1] == ("again", bench.now, 0.5, bench.it._beat), "not all are there"


def test_when_all_are_there_it_beats_as_stated_and_hangs_up_on_the_slow(bench: Bench) -> None:
    bench.link(bench.one)
    bench.link(bench.two)
    slow = bench.connection()
    bench.hands.answers |= {"overdue": (slow,), "look": ()}
    bench.it._beat()
    assert bench.watcher.calls[-1] == ("again", 100.0, 1.0, bench.it._beat)
    assert ("close", slow) in bench.sockets.calls and ("work", 100.0, ("hear", True)) in bench.sockets.calls
    bench.hands.answers["look"] = (bench.two,)
    bench.it._beat()
    assert bench.told("on_link")[-1] == (2, False, "its key is good no more", 1)


@pytest.mark.parametrize(
    ("age_s", "carried", "heard_s", "begins", "old"),
    [
        (100.0, 0, 0.0, True, False),
        (100.5, 0, 0.0, True, True),
        (0.0, 1000, 0.0, True, False),
        (0.0, 1001, 0.0, True, True),
        (100.5, 0, 1.9, True, True),
        (100.5, 0, 2.0, True, False),
        (100.5, 0, 0.0, False, False),
    ],
)
def test_a_connection_is_made_anew_in_time_by_who_dials(
    bench: Bench, age_s: float, carried: int, heard_s: float, begins: bool, old: bool
) -> None:
    bench.it.traffic.totals[1].sent = 77
    bench.link(bench.one)
    assert bench.one.made_after == 77
    bench.one.endpoint = Endpoint(1, "", b"", dialled=begins)
    bench.it.traffic.totals[1].received += carried
    bench.now += age_s
    bench.one.heard = bench.now - heard_s
    assert bench.it._is_old(bench.one, bench.now) is old
    bench.one.connection.heard_at = bench.now - heard_s
    bench.it._beat()
    assert (bench.one.connection is None) is old and bench.one.is_up
    if old:
        bench.now += 2.0
        bench.reactor.calls[-1][2]()
        assert bench.told("on_link")[-1][2] == "its keys were old, and it could not be made anew"


def test_a_few_records_leave_in_a_turn_and_are_booked(bench: Bench) -> None:
    assert bench.it._pump(bench.one) is False
    connection, _ = bench.link(bench.one)
    sent: list[Any] = []
    bench.sockets.answers["send"] = lambda connection, record: sent.append(len(record))
    assert bench.it._pump(bench.one) is False, "nothing is to be said"
    bench.one.session.queue_ping()
    assert bench.it._pump(bench.one) is True and len(sent) == 1
    for _ in range(6):
        bench.one.session.queue(WORD)
    assert bench.it._pump(bench.one) is True and len(sent) == 5, "four in a turn"
    connection.is_clear = False
    assert bench.it._pump(bench.one) is False and len(sent) == 5
    connection.is_clear = True
    assert bench.it._pump(bench.one) is True and bench.it._pump(bench.one) is False and len(sent) == 7
    bench.one.session.queue(MODEL)
    assert bench.it._pump(bench.one) is True and len(sent) == 9
    assert bench.it.traffic.totals[1].sent == sum(size + 8 for size in sent)
    words = [entry for entry in bench.entries if entry.kind == "hello"]
    (model,) = [entry for entry in bench.entries if entry.kind == "offer"]
    assert [entry.wire for entry in words] == [size + 8 for size in sent[1:7]] and model.wire == sum(sent[7:]) + 16
    bench.it._tell_down(bench.one, "x")
    (ping,) = [entry for entry in bench.entries if entry.kind == "ping"]
    assert (ping.count, ping.wire) == (1, sent[0] + 8)
    bench.link(bench.one)
    bench.one.session.queue(WORD)
    bench.sockets.answers["send"] = Outcome.GONE
    assert bench.it._pump(bench.one) is True and bench.it.traffic.totals[1].sent == sum(size + 8 for size in sent)

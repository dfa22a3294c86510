"""What the sockets do with what ZeroMQ brings and takes, step by step: ZeroMQ is the test's, and so is the clock."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from p2pfl_me.wire import sockets as module
from p2pfl_me.wire.complaints import NO_ANSWER
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.leaving import SETTLED_S
from p2pfl_me.wire.sockets import UNREACHABLE, Sockets
from p2pfl_me.wire.station import Connection, Outcome, Station
from tests.wire.spies import Spy


class Pipe:
    """One of ZeroMQ's sockets: what comes next, and what becomes of what is sent."""

    def __init__(self, *comes: Any) -> None:
        self.comes, self.left, self.fails, self.closed = list(comes), list[bytes](), list[Any](), False

    def recv(self, *flags: Any, **how: Any) -> Any:
        if not self.comes:
            raise zmq.Again
        found = self.comes.pop(0)
        answers = {"Peer-Address": f"10.0.0.{found.decode() or 1}", zmq.SRCFD: -1} if how else {}
        return SimpleNamespace(bytes=found, get=answers.get) if how else found

    recv_multipart = recv

    def send(self, data: Any, *flags: Any, **how: Any) -> None:
        if self.fails and (fault := self.fails.pop(0)):
            raise fault
        self.left.append(bytes(data))

    def disable_monitor(self) -> None: ...


class Bench:
    """Sockets with one station that listens, whose listener admits all but 10.0.0.9."""

    def __init__(self) -> None:
        self.heard = Spy(looks_at_calls=0.0, admits=lambda now, host: host != "10.0.0.9")
        self.it = Sockets(self.heard, 100)  # type: ignore[arg-type]
        self.it._sockets.close()
        self.pipe = Pipe()
        self.station = Station(self.pipe)  # type: ignore[arg-type]
        self.below = self.it._sockets = Spy()  # type: ignore[assignment]
        self.below.open = [self.station]
        self.it._server = self.station

    def comes(self, *parts: bytes, now: float = 5.0) -> bool:
        self.pipe.comes += parts
        return self.it._receive(self.station, now)

    def caller(self, name: bytes = b"a", *, known: bool = True) -> Connection:
        self.comes(name, b"")
        connection = self.station.connections[name]
        if known:
            self.it._look_at_calls(5.0)
        self.heard.calls.clear()
        return connection

    def told(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.heard.calls if call[0] == name]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def frames(*sizes: int) -> bytes:
    lengths = Lengths()
    return b"".join(lengths.write(size) + bytes(size) for size in sizes)


def test_a_frame_is_told_when_it_is_whole_and_an_end_after_the_last(bench: Bench) -> None:
    one = bench.caller()
    words = frames(3, 100)
    assert bench.comes(b"a", words[:12], now=7.0) is True and one.heard_at == 7.0
    assert bench.told("on_frame") == [(one, memoryview(bytes(3)))] and one.held == 0
    assert bench.comes(b"a", words[12:], b"a", b"") is True
    assert [name for name, *_ in bench.heard.calls] == ["on_frame", "on_frame", "on_closed"]
    assert bench.told("on_closed") == [(one, "")] and one.closed and one.ended
    assert bench.comes() is False and b"a" not in bench.station.leaving, "who has gone is not waited for"


def test_a_few_frames_a_turn_and_the_rest_in_the_next_ones(bench: Bench) -> None:
    one = bench.caller()
    bench.comes(b"a", frames(*[5] * 9), b"a", b"")
    counts = [len(bench.told("on_frame"))]
    while bench.it.work(5.0, hear=True):
        counts.append(len(bench.told("on_frame")))
    assert counts == [4, 8, 9] and bench.told("on_closed") == [(one, "")] and not bench.it._unread


def test_what_is_no_frame_ends_its_connection_and_nothing_is_read_of_who_is_not_heard(bench: Bench) -> None:
    one, two = bench.caller(b"a"), bench.caller(b"b")
    bench.it.hear(two, hear=False)
    bench.comes(b"a", frames(101), b"b", frames(5), b"b", b"")
    assert bench.told("on_closed") == [(one, "a frame of 101 bytes (at least 1, at most 100)")]
    assert not bench.told("on_frame") and two.held == 13
    bench.it.work(5.0, hear=True)
    assert not bench.told("on_frame")
    bench.it.hear(two, hear=True)
    assert bench.it.work(5.0, hear=False) is False and not bench.told("on_frame")
    assert bench.it.work(5.0, hear=True) is True
    assert len(bench.told("on_frame")) == 1 and bench.told("on_closed")[1:] == [(two, "")]


def test_who_sends_on_although_nobody_reads_is_cut_off_at_a_byte_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_HELD", 20)
    one = bench.caller()
    bench.it.hear(one, hear=False)
    bench.comes(b"a", bytes(20))
    assert not one.closed
    bench.comes(b"a", b"x")
    assert bench.told("on_closed") == [(one, "it sends although nobody reads")] and one.closed


def test_a_turn_takes_so_many_pieces_and_no_more(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNKS", 3)
    bench.caller()
    assert bench.comes(*[b"a", b"\0"] * 5) is True and len(bench.pipe.comes) == 4
    bench.pipe.closed = True
    assert bench.comes() is False and len(bench.pipe.comes) == 4, "it has been given up"


def test_callers_wait_to_be_looked_at_and_who_speaks_or_goes_before_is_dropped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, rude, shy = (bench.caller(name, known=False) for name in (b"1", b"2", b"3"))
    bench.comes(b"2", b"hello", b"3", b"")
    assert list(bench.it._calls) == [waiting] and rude.closed and shy.closed and bench.heard.calls == []
    bench.comes(b"2", b"more of it", b"4", b"what nobody has begun")
    assert bench.it.connections == 1, "the last words of who was dropped are no caller"
    bench.comes(b"9", b"9")
    bench.heard.calls.clear()
    assert bench.it._look_at_calls(5.0) is True and bench.told("on_call") == [(waiting,)]
    monkeypatch.setattr(module, "BACKLOG", 2)
    for name in (b"5", b"6", b"7"):
        bench.comes(name, b"")
    assert [each.id for each in bench.it._calls] == [b"5", b"6"], "there is no room for more"
    monkeypatch.setattr(module, "caller_of", lambda frame: "")
    bench.it._calls.clear()
    bench.comes(b"8", b"")
    assert not bench.it._calls, "it has gone already"


def test_a_few_callers_are_looked_at_a_turn_and_none_before_its_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALLS", 2)
    hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.9", "10.0.0.4"]
    monkeypatch.setattr(module, "caller_of", lambda frame: hosts.pop(0))
    for name in (b"a", b"b", b"c", b"d"):
        bench.comes(name, b"")
    assert bench.it._look_at_calls(5.0) is True and len(bench.told("on_call")) == 2
    bench.heard.answers["looks_at_calls"] = 3.0
    assert bench.it._look_at_calls(5.0) is True
    assert len(bench.told("on_call")) == 2 and [each.id for each in bench.it._calls] == [b"d"], "one is not admitted"
    assert bench.it._look_at_calls(7.9) is False and bench.it._look_at_calls(8.0) is True
    assert [call[0].id for call in bench.told("on_call")] == [b"a", b"b", b"d"] and bench.it._look_at_calls(
        99.0
    ) is False


def test_it_sleeps_until_something_may_be_done_and_no_longer(bench: Bench) -> None:
    come = [False]
    bench.below.open = [SimpleNamespace(has_come=lambda: come[0], connections={})]
    leaving = bench.station.leaving = Spy()  # type: ignore[assignment]

    def slept(timeout_s: float | None, *, hear: bool = True) -> list[Any]:
        bench.below.calls.clear()
        bench.it.wait(timeout_s, 5.0, hear=hear)
        assert bench.below.calls[-1] == ("awake",)
        return [call[1] for call in bench.below.calls[:-1]]

    assert slept(None) == [None] and slept(3.0) == [3.0]
    come[0] = True
    assert slept(3.0) == [] and slept(3.0, hear=False) == [3.0]
    come[0] = False
    one = Connection(bench.station, b"a", "h", None, 0.0)  # type: ignore[arg-type]
    bench.it._unread.add(one)
    assert slept(3.0) == [] and slept(3.0, hear=False) == [3.0]
    one.deaf = True
    assert slept(3.0) == [3.0]
    bench.it._calls[one] = None
    for due, timeout_s, seconds in (
        (5.0, 3.0, 0.0),
        (6.0, 3.0, 1.0),
        (6.0, None, 1.0),
        (9.0, 3.0, 3.0),
        (4.0, 3.0, 3.0),
    ):
        bench.it._calls_from = due
        assert slept(timeout_s) == [seconds]
    bench.it._calls.clear()
    for due, timeout_s, seconds in ((4.0, 3.0, 0.0), (6.0, 3.0, 1.0), (6.0, None, 1.0), (9.0, 3.0, 3.0)):
        leaving.answers["due"] = due
        assert slept(timeout_s) == [seconds]


def test_what_the_way_out_has_no_room_for_waits_for_it_and_who_has_gone_is_told_by_what_is_read(bench: Bench) -> None:
    one = bench.caller()
    bench.pipe.fails = [zmq.Again()]
    assert bench.it.send(one, b"word") is Outcome.SENT and not one.is_clear and bench.it._stuck == {one}
    bench.pipe.fails = [zmq.Again()]
    assert bench.it.work(5.0, hear=False) is False and bench.pipe.left == []
    assert bench.it.work(5.0, hear=False) is True and one.is_clear and not bench.it._stuck
    assert bench.pipe.left == [b"a", Lengths().write(4) + b"word"]
    bench.pipe.left.clear()
    large = bytes(module.COPIED + 1)
    bench.pipe.fails = [None, None, zmq.Again()]
    assert bench.it.send(one, large) is Outcome.SENT and len(one.rest) == 1
    assert bench.it.work(5.0, hear=False) is True
    assert (
        bench.pipe.left[0] == bench.pipe.left[2] == b"a" and bench.pipe.left[3] == large and len(bench.pipe.left) == 4
    )
    bench.pipe.fails = [zmq.ZMQError(5)]
    assert bench.it.send(one, b"lost") is Outcome.GONE and one.mute and not one.rest and not one.closed


def test_what_still_comes_of_who_was_closed_is_nobodys_until_its_end(bench: Bench) -> None:
    gone = [bench.caller(name) for name in (b"a", b"b")]
    bench.it.close(gone[0])
    bench.it.send(gone[1], b"farewell")
    bench.it.close(gone[1])
    assert b"a" in bench.station.leaving and b"b" in bench.station.leaving and bench.station.leaving.shut == 1
    bench.comes(b"b", b"late words", b"a", b"late words", b"a", b"", b"b", b"")
    assert b"a" not in bench.station.leaving and b"b" not in bench.station.leaving
    assert bench.it.connections == 0 and bench.heard.calls == []
    assert bench.pipe.left == [b"b", Lengths().write(8) + b"farewell"], "ZeroMQ is told of no end"
    asks, now = bench.caller(b"c"), time.monotonic()
    bench.it.send(asks, b"greeting")
    assert now <= asks.said_at <= time.monotonic()
    bench.comes(b"c", b"x")
    bench.it.close(asks)
    assert bench.station.leaving.shut == 1, "it has heard what was said, and has spoken since"


def test_whose_end_does_not_come_is_asked_for_when_all_has_been_read(bench: Bench) -> None:
    bench.it.close(bench.caller(b"a"))
    late = time.monotonic() + SETTLED_S
    bench.it.work(late, hear=False)
    assert bench.pipe.left == [] and b"a" in bench.station.leaving, "its end may lie there"
    bench.it.work(late, hear=True)
    assert bench.pipe.left == [b"a", b""] and b"a" not in bench.station.leaving


def test_a_call_gets_through_or_is_said_not_to_and_then_its_socket_is_given_up(bench: Bench) -> None:
    for event, told in ((zmq.EVENT_CLOSED, [UNREACHABLE]), (zmq.EVENT_CONNECTED, [])):
        bench.heard.calls.clear()
        monitor = Pipe()
        monitor.comes = [[event.to_bytes(2, "little") + bytes(4), b"tcp://x"]]
        calling = Station(Pipe(), monitor)  # type: ignore[arg-type]
        bench.below.answers["connecting"] = calling
        connection = bench.it.dial(2, ("10.0.0.1", 5), 4.0)
        assert connection.connecting and (connection.host, connection.heard_at) == ("10.0.0.1", 4.0)
        bench.it._receive(calling, 5.0)
        assert [call[1] for call in bench.told("on_closed")] == told and connection.closed is bool(told)
        assert (("retire", calling) in bench.below.calls) is bool(told)
        if not told:
            calling.socket.comes = [b"name", b"", b"name", frames(3)]  # type: ignore[attr-defined]
            assert bench.it._receive(calling, 6.0) is True
            assert bench.told("on_connected") == [(connection,)] and connection.id == b"name"
            assert not connection.connecting and len(bench.told("on_frame")) == 1
        bench.below.calls.clear()


@pytest.mark.parametrize(
    ("after_s", "why"), [(0.1, UNREACHABLE), (10.0, NO_ANSWER), (11.0, NO_ANSWER), (60.0, UNREACHABLE)]
)
def test_a_call_that_had_all_its_time_is_told_from_one_that_is_refused(bench: Bench, after_s: float, why: str) -> None:
    """Where this process slept meanwhile, it may have been refused long ago."""
    monitor = Pipe()
    monitor.comes = [[zmq.EVENT_CLOSED.to_bytes(2, "little") + bytes(4), b"tcp://x"]]
    bench.below.answers["connecting"] = calling = Station(Pipe(), monitor)  # type: ignore[arg-type]
    bench.it.dial(2, ("10.0.0.1", 5), 4.0)
    bench.it._receive(calling, 4.0 + after_s)
    assert [call[1] for call in bench.told("on_closed")] == [why]


def test_all_that_is_stuck_gets_a_second_when_everything_is_closed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [10.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    one = bench.caller()

    def sleep(seconds: float) -> None:
        clock[0] += 0.25

    bench.below.answers["sleep"] = sleep
    bench.pipe.fails = [zmq.Again()] * 100
    bench.it.send(one, b"word")
    bench.it.close_all()
    assert bench.below.names() == ["sleep"] * 4 + ["close"] and bench.below.calls[0] == ("sleep", 0.01)
    bench.below.calls.clear()
    bench.pipe.fails = [zmq.Again()]
    bench.it.close_all()
    assert bench.below.names() == ["sleep", "sleep", "close"] and bench.pipe.left[-1].endswith(b"word")

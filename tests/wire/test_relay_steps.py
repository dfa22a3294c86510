"""What a relay does with one connection, step by step: the streams are the test's, and so is the clock."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.wire import relay
from p2pfl_me.wire.admission import edge_key
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.identity import new_identity
from p2pfl_me.wire.meeting import ABSENT, MET, meet
from p2pfl_me.wire.relay import PIECE, RelayServer, _End
from tests.wire.peers import free_ports
from tests.wire.spies import Spy

ONE, OTHER, THIRD = new_identity(), new_identity(), new_identity()
NAMES = {ONE.public: "one", OTHER.public: "other", THIRD.public: "third"}
CHALLENGE = bytes(range(16))


class Line:
    """One end's connection: what is said to it, whether it was cut or closed, and what it says."""

    def __init__(self, *said: bytes, ends: bool = False) -> None:
        self.written, self.ended, self.reader = b"", list[str](), asyncio.StreamReader()
        self.transport = SimpleNamespace(abort=lambda: self.ended.append("cut"))
        for each in said:
            self.reader.feed_data(each)
        if ends:
            self.reader.feed_eof()

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        return

    def close(self) -> None:
        self.ended.append("closed")

    def end(self, caller: Any, sought: Any, **fields: Any) -> Any:
        met = asyncio.get_running_loop().create_future()
        return _End((caller.public, sought.public), self.reader, self, met, **fields)  # type: ignore[arg-type]


class Relay:
    """A relay of the edges one-other and other-third at 100 s of its clock, with a pause for each `sleep`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rate: float = 1e9, trust: Any = None) -> None:
        self.now, self.lines, self.pauses, self.identity = 100.0, list[str](), list[float](), new_identity()
        monkeypatch.setattr(relay, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(relay.os, "urandom", lambda count: CHALLENGE[:count])
        edges = [(ONE.public, OTHER.public), (OTHER.public, THIRD.public)]
        self.it = RelayServer(self.identity, edges, rate, self.lines.append, NAMES.__getitem__, trust)

    def frame(self, caller: Any, sought: Any) -> bytes:
        made = meet(edge_key(caller, self.identity.public), caller.public, CHALLENGE, sought.public)
        return Lengths().write(len(made)) + made

    async def introduced(self, *said: bytes) -> Any:
        line = Line(*said, ends=True)
        return await self.it._introduced(line.reader, line)  # type: ignore[arg-type]


def play(scene: Callable[[], Coroutine[object, object, None]]) -> None:
    asyncio.run(scene())


def answer(kind: int) -> bytes:
    return Lengths().write(1) + bytes([kind])


def test_a_member_asks_for_one_whom_it_meets_here_twenty_times_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        here = Relay(monkeypatch)
        for caller, sought in ((ONE, OTHER), (OTHER, ONE), (OTHER, THIRD), (THIRD, OTHER)):
            assert await here.introduced(here.frame(caller, sought)) == (caller.public, sought.public)
        for caller, sought in ((ONE, THIRD), (ONE, ONE)):
            with pytest.raises(WireError, match="one asks for one whom it does not meet here"):
                await here.introduced(here.frame(caller, sought))
        with pytest.raises(WireError, match="a key that no member has"):
            await here.introduced(here.frame(new_identity(), OTHER))
        for size in (64, 66):
            with pytest.raises(WireError, match=f"a frame of {size} bytes where a call"):
                await here.introduced(Lengths().write(size) + bytes(size))
        calls = [await here.introduced(here.frame(ONE, OTHER)) for _ in range(21)]
        assert [each is not None for each in calls] == [True] * 19 + [False] * 2, "and once before"
        here.now += 1.0
        assert [await here.introduced(here.frame(ONE, OTHER)) is not None for _ in range(2)] == [True, False]

    play(scene)


def test_which_keys_are_good_is_looked_at_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    newer, news = new_identity(), list[bool]()
    trust = Spy(look=lambda: news.pop(0), good=lambda stated: (stated,))
    here = Relay(monkeypatch, trust=trust)

    def look(now: float, changed: bool, *good: bytes) -> list[bytes]:
        news[:] = [changed]
        trust.answers["good"] = lambda stated: good if stated == ONE.public else ()
        here.it._look(now)
        return [each.public for each in here.it._ends]

    assert look(0.0, False, ONE.public) == [ONE.public], "the first look finds all"
    assert look(0.9, True, newer.public) == [ONE.public] and news == [True], "too soon"
    assert look(1.0, False, newer.public) == [ONE.public] and news == [], "nothing has changed"
    assert look(1.9, True, newer.public) == [ONE.public]
    assert look(2.0, True, newer.public, ONE.public) == [newer.public, ONE.public]
    assert {each.stated for each in here.it._ends} == {ONE.public}


@pytest.mark.parametrize(("heard_at", "lines"), [(98.1, 1), (98.0, 0), (98.5, 1), (-1e9, 0)])
def test_a_call_takes_the_place_of_an_earlier_one_and_says_so_where_that_is_alive(
    heard_at: float, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        here, old, new = Relay(monkeypatch), Line(), Line(b"too early")
        here.it._there[ONE.public, OTHER.public] = old.end(ONE, OTHER, heard_at=heard_at)
        await here.it._meet(new.end(ONE, OTHER))
        assert old.ended == ["cut"] and new.written == answer(ABSENT) and here.it.held == 0
        assert here.lines == ["one calls while an earlier call of its own is alive: " + relay.TWICE] * lines

    play(scene)


def test_two_that_meet_are_told_so_and_what_one_says_reaches_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        here, first, second = Relay(monkeypatch), Line(), Line(b"hello", ends=True)
        waiting = asyncio.create_task(here.it._meet(first.end(ONE, OTHER)))
        await asyncio.sleep(0)
        assert first.written == answer(ABSENT) and here.it.held == 1
        meeting = asyncio.create_task(here.it._meet(second.end(OTHER, ONE)))
        await meeting
        assert here.it.held == 1, "it has gone, and the other will"
        assert first.written == answer(ABSENT) + answer(MET) + b"hello" and first.ended == ["closed"]
        first.reader.feed_data(b"back")
        first.reader.feed_eof()
        await waiting
        assert second.written == answer(MET) + b"back" and here.it.held == 0 and here.it.passed_on >= 5
        assert here.lines == ["other and one have met"]

    play(scene)


def test_one_that_has_met_is_met_by_no_third_and_news_are_told_ten_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        here, busy, late = Relay(monkeypatch), Line(), Line(b"x")
        taken = busy.end(ONE, OTHER)
        taken.met.set_result(taken)
        here.it._there[ONE.public, OTHER.public] = taken
        await here.it._meet(late.end(OTHER, ONE))
        assert late.written == answer(ABSENT) and busy.written == b"" and not here.lines
        for later, lines in ((0.0, 10), (6.0, 11), (12.0, 13)):
            here.now += later
            for _ in range(15):
                here.it._there[ONE.public, OTHER.public] = Line().end(ONE, OTHER)
                await here.it._meet(Line(ends=True).end(OTHER, ONE))
            assert here.lines == ["other and one have met"] * lines

    play(scene)


@pytest.mark.parametrize(("rate", "burst"), [(1000.0, PIECE), (4.0 * PIECE, PIECE), (8.0 * PIECE, 2 * PIECE)])
def test_what_an_end_may_send_is_a_quarter_of_a_second_or_a_piece_at_once_and_its_rate_after_that(
    rate: float, burst: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        here, source, sink = Relay(monkeypatch, rate), Line(), Line()

        async def pause(seconds: float) -> None:
            here.pauses.append(seconds)

        real, end = asyncio.sleep, source.end(ONE, OTHER)
        monkeypatch.setattr(relay.asyncio, "sleep", pause)
        passing = asyncio.create_task(here.it._pass_on(end, sink.end(OTHER, ONE)))
        for _ in range(burst // PIECE + 1):
            source.reader.feed_data(bytes(PIECE))
            await real(0)
            await real(0)
        source.reader.feed_eof()
        await passing
        assert here.pauses == [PIECE / rate] and here.it.passed_on == len(sink.written) == burst + PIECE
        assert end.heard_at == 100.0 and sink.ended == ["closed"]

    play(scene)


def test_what_is_ended_is_cut_a_second_later_unless_it_has_left() -> None:
    async def scene() -> None:
        line, later = Line(), list[Any]()
        asyncio.get_running_loop().call_later = lambda *given: later.append(given)  # type: ignore[method-assign, assignment]
        relay._end(line)  # type: ignore[arg-type]
        ((seconds, call),) = later
        assert line.ended == ["closed"] and seconds == 1.0
        call()
        assert line.ended == ["closed", "cut"]

    play(scene)


def test_a_full_waiting_room_cuts_who_has_waited_longest_and_who_is_in_waits_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        here, lines = Relay(monkeypatch), [Line(), Line(), Line(b"\0" * 8)]
        here.it._room.most = 1

        async def opened(sock: Any, limit: int) -> Any:
            assert limit == PIECE
            return sock.reader, sock

        monkeypatch.setattr(relay.asyncio, "open_connection", opened)
        tasks = [asyncio.create_task(here.it._attend(each, "10.0.0.1")) for each in lines[:2]]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert lines[0].ended == ["cut"] and lines[1].ended == [] and len(here.it._room._waiting) == 1
        await here.it._attend(lines[2], "10.0.0.1")  # type: ignore[arg-type]
        assert lines[1].ended == ["cut"] and lines[2].ended == ["closed"] and not here.it._room._waiting
        assert here.lines == ["a frame of 0 bytes where a call for a neighbour was due, from 10.0.0.1"]
        for each, task in zip(lines[:2], tasks, strict=True):
            each.reader.feed_eof()
            await task
            assert each.ended == ["cut", "closed"]
        assert len(here.lines) == 1, "that one has gone is no news"
        member = Line(here.frame(ONE, OTHER))
        inside = asyncio.create_task(here.it._attend(member, "10.0.0.1"))  # type: ignore[arg-type]
        while not here.it.held:
            await asyncio.sleep(0)
        assert not here.it._room._waiting, "it has shown who it is"
        member.reader.feed_eof()
        await inside
        assert here.it.held == 0 and member.ended == ["closed"]

    play(scene)


def test_callers_are_taken_in_turn_and_neither_a_crowd_nor_a_lack_of_files_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        here, attended, real = Relay(monkeypatch), list[Any](), asyncio.sleep
        taken, crowded, calm = Spy(), Spy(), Spy()
        come = [OSError("no files"), (taken, ("10.0.0.1", 5)), (crowded, ("10.0.0.2", 5)), (calm, ("10.0.0.3", 5))]

        async def accept(listener: Any) -> Any:
            if not come:
                await asyncio.Event().wait()
            if isinstance(found := come.pop(0), OSError):
                raise found
            return found

        async def attend(connection: Any, host: str) -> None:
            attended.append((connection, host))
            await asyncio.Event().wait()

        async def pause(seconds: float) -> None:
            here.pauses.append(seconds)

        looks = [0.0, 0.25, 0.0]
        here.it._room = Spy(admits=lambda now, host: host != "10.0.0.2", looks=lambda now: looks.pop(0))  # type: ignore[assignment]
        asyncio.get_running_loop().sock_accept = accept  # type: ignore[method-assign, assignment]
        here.it._attend = attend  # type: ignore[method-assign]
        monkeypatch.setattr(relay.asyncio, "sleep", pause)
        listener = Spy()
        serving = asyncio.create_task(here.it.serve(listener))  # type: ignore[arg-type]
        while looks or len(attended) < 2:
            await real(0)
        assert attended == [(taken, "10.0.0.1"), (calm, "10.0.0.3")] and here.pauses == [0.1, 0.25]
        assert crowded.names() == ["close"] and taken.calls == []
        assert here.lines == ["a connection from 10.0.0.2, of which there are too many"]
        assert len(here.it._tasks) == 2 and listener.calls == []
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert listener.names() == ["close"] and not here.it._tasks

    play(scene)


def test_it_listens_where_it_is_told_and_names_what_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    here, (port,) = Relay(monkeypatch), free_ports(1)
    with here.it.listen(f"tcp://127.0.0.1:{port}") as listener:
        assert (listener.getsockname()[1], listener.getblocking()) == (port, False)
        with pytest.raises(PeerError, match=f"{port}: cannot listen: .*in use.*\n.*--listen"):
            here.it.listen(f"tcp://127.0.0.1:{port}")
    made: list[Any] = []
    monkeypatch.setattr(relay.socket, "create_server", lambda at, **how: made.append((at, how)) or Spy())
    for host, family in (("10.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
        here.it.listen(f"tcp://[{host}]:7")
        assert made.pop() == ((host, 7), {"family": family, "backlog": 256})
    for dual in (True, False):
        monkeypatch.setattr(relay.socket, "has_dualstack_ipv6", lambda dual=dual: dual)
        here.it.listen("tcp://*:7")
        family = socket.AF_INET6 if dual else socket.AF_INET
        assert made.pop() == (("", 7), {"family": family, "backlog": 256, "dualstack_ipv6": dual})

"""What the owner's side of the links hands over to their thread, and what it answers itself: the thread is a spy."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.wire import links as module
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.links import Changes, Links, Liveness
from p2pfl_me.wire.records import PAYLOAD
from tests.wire.peers import Recorder, Swarm
from tests.wire.spies import LIVENESS, MODEL, WORD, Spy


def answered(value: Any) -> Future[Any]:
    found: Future[Any] = Future()
    if isinstance(value, Exception):
        found.set_exception(value)
    else:
        found.set_result(value)
    return found


class Owner:
    """Peer 0 with the neighbours 1 and 2, whose thread makes each posted call at once."""

    def __init__(self, size: int = 5, liveness: Liveness | None = None) -> None:
        swarm, self.heard, self.changes = Swarm(3), Recorder(), list[Any]()
        swarm.schema = Schema(size, b"s" * 32)
        self.it = Links(
            0,
            None,
            swarm.identities[0],
            [swarm.endpoint(peer) for peer in (1, 2)],
            prologue=b"p" * 32,
            sections={},
            schema=swarm.schema,
            handlers=self.heard,
            liveness=liveness,
            changes=Changes(b"news", (), lambda *told: self.changes.append(told)),
        )
        self.it._multiplexer.close()
        self.liveness = self.it._multiplexer._liveness
        self.reactor = self.it._reactor = Spy(post=lambda call: call(), ask=lambda call: answered(call()))  # type: ignore[assignment]
        self.thread = self.it._multiplexer = Spy()  # type: ignore[assignment]

    def link(self, peer: int, number: int) -> None:
        self.it._bridge._link(peer, True, "", number)


@pytest.fixture
def owner() -> Owner:
    return Owner()


def test_what_is_sent_told_and_echoed_goes_over_the_link_that_stands_and_no_other(owner: Owner) -> None:
    owner.thread.answers["echo"] = lambda peer, payload, link, answer: answer.set_result(0.25)

    async def scene() -> None:
        for peer in (0, 3):
            with pytest.raises(KeyError):
                owner.it.send(peer, WORD)
        assert owner.it.send(1, WORD) is False
        owner.it.tell(1, b"change")
        with pytest.raises(WireError, match="no link to peer 1"):
            await owner.it.echo(1, b"x")
        assert owner.reactor.calls == [], "there is no link"
        owner.link(1, 7)
        assert owner.it.send(1, MODEL) is True and owner.it.send(2, MODEL) is False
        owner.it.tell(1, b"change")
        async with asyncio.timeout(5):
            assert await owner.it.echo(1, b"x") == 0.25
        sent, told, echoed = owner.thread.calls
        assert (sent[0], sent[1], sent[2].message, sent[3]) == ("send", 1, MODEL, 7)
        assert told == ("tell", 1, b"change", 7) and echoed[:4] == ("echo", 1, b"x", 7)

    asyncio.run(scene())


def test_how_long_silence_may_last_is_what_is_given_or_what_is_stated(owner: Owner) -> None:
    assert owner.liveness == Liveness() and Owner(liveness=LIVENESS).liveness is LIVENESS


def test_a_quarantine_is_told_here_at_once_and_there_as_soon_as_it_looks(owner: Owner) -> None:
    owner.link(1, 7)
    owner.it.quarantine(1)
    assert owner.thread.calls == [("quarantine", 1)] and owner.heard.links[1:] == [(1, False, "quarantined")]
    owner.it._read_on()
    assert owner.reactor.names() == ["post", "post"], "to wake it is enough"


@pytest.mark.parametrize(("size", "reuses"), [(PAYLOAD // 4 - 1, 0), (PAYLOAD // 4, 0), (PAYLOAD // 4 + 1, 1)])
def test_it_begins_in_its_loop_and_keeps_memory_for_models_of_more_than_a_record(
    size: int, reuses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    monkeypatch.setattr(module, "reuse_freed_memory", lambda: kept.append(1))
    owner = Owner(size)

    async def scene() -> None:
        await owner.it.start()
        assert owner.reactor.names() == ["start", "ask"] and owner.thread.names() == ["start"]
        assert len(kept) == reuses
        owner.it._bridge.on_change(1, b"view", ("training",))
        owner.it._bridge.on_message(1, WORD)
        await owner.heard.until(lambda: bool(owner.heard.messages))
        assert owner.changes == [(1, b"view", ("training",))]
        for _ in range(2):
            await owner.it.close()
        owner.it._bridge.on_message(1, WORD)
        await asyncio.sleep(0)
        assert owner.reactor.names()[2:] == ["stop", "join"] and owner.thread.names() == ["start"]
        assert len(owner.heard.messages) == 1, "whoever has closed hears nothing more"

    asyncio.run(scene())


def test_what_never_began_is_closed_here_and_what_cannot_begin_is_closed_and_says_why(owner: Owner) -> None:
    asyncio.run(owner.it.close())
    assert owner.thread.names() == ["close"] and owner.reactor.calls == []
    failing = Owner()
    failing.reactor.answers["ask"] = lambda call: answered(PeerError("taken"))
    with pytest.raises(PeerError, match="taken"):
        asyncio.run(failing.it.start())
    assert failing.reactor.names() == ["start", "ask", "stop", "join"]


def test_it_parts_once_all_have_read_and_not_when_time_or_the_thread_is_over(owner: Owner) -> None:
    over = [False, False, True]
    owner.thread.answers["is_over"] = lambda: over.pop(0)
    assert asyncio.run(owner.it.part(20.0)) is True and not over
    assert owner.thread.names() == ["say_bye", *["is_over"] * 3]
    owner.thread.answers["is_over"] = False
    assert asyncio.run(owner.it.part(0.0)) is False
    owner.reactor.answers["ask"] = lambda call: answered(RuntimeError("the thread has ended"))
    assert asyncio.run(owner.it.part(20.0)) is False


def test_bytes_are_those_of_all_neighbours_and_the_unreachable_are_named(owner: Owner) -> None:
    books = {1: SimpleNamespace(sent=3, received=50), 2: SimpleNamespace(sent=4, received=600)}
    owner.thread.traffic = SimpleNamespace(totals=books)
    owner.thread.answers["unreachable"] = {2: "no route"}
    assert (owner.it.bytes_sent, owner.it.bytes_received) == (7, 650)
    assert owner.it.traffic is books and owner.it.unreachable == {2: "no route"}

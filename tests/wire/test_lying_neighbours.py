"""Liars among the neighbours: what one can end, fill, cost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.admission import edge_key
from p2pfl_me.wire.budget import Bucket
from p2pfl_me.wire.codec import encode
from p2pfl_me.wire.handshake import Terms, hello, read_greeting
from p2pfl_me.wire.links import Links
from p2pfl_me.wire.neighbour import HANDSHAKES
from p2pfl_me.wire.records import RECORD
from p2pfl_me.wire.refusal_log import BURST, REFILL_S
from p2pfl_me.wire.session import MESSAGE, MOST_BYTES, MOST_MESSAGES, RECEIVED
from tests.wire.peers import QUICK, Recorder, Swarm
from tests.wire.raw import Caller
from tests.wire.test_strangers import PROLOGUE, SECTIONS


def liar(swarm: Swarm, sections: dict[str, bytes] | None = None, prologue: bytes = PROLOGUE) -> Terms:
    return Terms(0, swarm.identities[0], prologue, sections or SECTIONS)


@contextlib.asynccontextmanager
async def linked(swarm: Swarm, there: Recorder, **options: Any) -> AsyncIterator[tuple[Links, Caller]]:
    """Peer 1, which tells `there`, and a liar in the place of peer 0 whom it takes for its neighbour."""
    links = swarm.links(1, [0], there, **options)
    await links.start()
    caller = await asyncio.to_thread(Caller.of, swarm.addresses[1])
    try:
        await asyncio.to_thread(caller.link, liar(swarm), swarm.identities[1].public)
        await there.until(lambda: there.is_up(0))
        yield links, caller
    finally:
        await links.close()
        caller.close()


def test_names_that_change_with_every_handshake_fill_no_log() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        there = Recorder()
        high = swarm.links(1, [0], there)
        await high.start()
        public = swarm.identities[1].public

        def call() -> int:
            answered = 0
            for number in range(200):
                terms = liar(swarm, {f"name-{number}-{k}": bytes(32) for k in range(60)}, prologue=b"q" * 32)
                with contextlib.closing(Caller.of(swarm.addresses[1])) as caller, contextlib.suppress(ConnectionError):
                    begin = caller.receive()
                    if begin:
                        key = edge_key(terms.identity, public)
                        caller.send(hello(terms, public, key, read_greeting(begin))[0])
                        answered += bool(caller.receive())
            return answered

        begun = time.monotonic()
        answered = await asyncio.to_thread(call)
        took = time.monotonic() - begun  # on a busy machine the budgets refill meanwhile
        assert 0 < answered <= HANDSHAKES[1] + HANDSHAKES[0] * took + 1
        lines = [reason for _, reason in there.refused]
        assert len(lines) <= 2 * (BURST + took / REFILL_S + 1) and sum(map(len, lines)) <= 2_000 * len(lines)
        await high.close()

    asyncio.run(scene())


@pytest.mark.parametrize("kind", ["pings", "messages", "beginnings"])
def test_a_neighbour_that_floods_is_read_later_and_the_others_as_ever(kind: str) -> None:
    async def scene() -> None:
        swarm = Swarm(3)
        there = Recorder()
        middle = swarm.links(1, [0, 2], there)
        await middle.start()
        honest = swarm.links(2, [1], Recorder())
        await honest.start()
        await there.until(lambda: there.is_up(2))
        caller = await asyncio.to_thread(Caller.of, swarm.addresses[1])
        await asyncio.to_thread(caller.link, liar(swarm), swarm.identities[1].public)
        await there.until(lambda: there.is_up(0))
        # A hundred at once and hardly any more: however slowly this machine reads, the rest is too much.
        flooding = middle._multiplexer._neighbours[0]
        flooding.records = flooding.messages = Bucket(0.1, 100.0)
        if kind != "pings":
            flooding.records = Bucket(1e9, 1e9)
        many = 150
        model = np.ones(100, np.float32) if kind == "beginnings" else None
        header, _ = encode(Message(Kind.PUSH if kind == "beginnings" else Kind.WITHDRAW, 0, 0, model), 0, swarm.schema)
        say = (RECEIVED, bytes(16)) if kind == "pings" else (MESSAGE, header)
        records = b"".join(
            caller.lengths[0].write(len(each)) + each for each in (caller.sealer.seal(*say) for _ in range(many))
        )
        sending = asyncio.create_task(asyncio.to_thread(caller.socket.sendall, records))
        connection = flooding.connection
        assert connection is not None
        async with asyncio.timeout(60):
            while not connection.deaf:
                await asyncio.sleep(0.005)  # looks again; how long it takes is of no matter
        honest.send(1, Message(Kind.HELLO, 0, 7))
        await there.until(lambda: any(peer == 2 for peer, _ in there.messages))
        assert connection.deaf and there.is_up(0) and not there.refused
        await middle.close()
        await honest.close()
        with contextlib.suppress(ConnectionError):
            await sending
        caller.close()

    asyncio.run(scene())


@pytest.mark.few(1)
@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("kind", [Kind.SKIP, Kind.ANSWER])
def test_for_a_neighbour_that_confirms_nothing_little_is_kept(kind: Kind, reads: bool) -> None:
    """It asks on and on, and the answers that it does not confirm are kept for it: a model a round."""

    async def scene() -> None:
        swarm = Swarm(2, size=1 << 20)
        model = np.zeros(1 << 20, np.float32)
        there = Recorder()
        # It is not silence that ends it, however busy the machine is.
        async with linked(swarm, there, liveness=replace(QUICK, silence_s=1000.0)) as (high, caller):
            reading = asyncio.create_task(asyncio.to_thread(caller.is_cut)) if reads else None
            session = high._multiplexer._neighbours[0].session
            sent = 0
            while there.is_up(0):
                assert sent < 2 * MOST_MESSAGES and len(session._queue) <= MOST_MESSAGES
                sent += high.send(0, Message(kind, sent, sent, model if kind is Kind.ANSWER else None))
                await asyncio.wrap_future(high._reactor.ask(lambda: None))  # the thread has done it
            most = MOST_BYTES // model.nbytes if kind is Kind.ANSWER else MOST_MESSAGES
            assert sent == most + 1 and "behind" in there.links[-1][2]
            assert high._multiplexer._neighbours[0].session is not session
            caller.socket.shutdown(socket.SHUT_RDWR)
            if reading:
                assert await reading

    asyncio.run(scene())


def test_whoever_announces_a_model_and_sends_none_of_it_takes_the_memory_of_one() -> None:
    async def scene() -> None:
        swarm, there = Swarm(2), Recorder()
        async with linked(swarm, there) as (_, caller):
            header, _ = encode(Message(Kind.PUSH, 0, 0, np.ones(100, np.float32)), 0, swarm.schema)
            for _ in range(50):
                caller.say(MESSAGE, header)
            caller.say(MESSAGE, encode(Message(Kind.SKIP, 0), 0, swarm.schema)[0])
            await there.until(lambda: len(there.messages) == 1)
            caller.socket.sendall(caller.lengths[0].write(RECORD + 1))
            assert await asyncio.to_thread(caller.is_cut)
            await there.until(lambda: not there.is_up(0))
            assert "a frame of" in there.links[-1][2]

    asyncio.run(scene())


@pytest.mark.parametrize("field", ["nested", "nothing"])
def test_a_header_made_to_break_its_reader_is_refused_in_words(field: str) -> None:
    """Lists in lists, a thousand deep: printing them used to end the links' thread, and the peer with it."""

    async def scene() -> None:
        swarm, there = Swarm(2), Recorder()
        async with linked(swarm, there) as (_, caller):
            nested = b"\x97\x01" + b"\x91" * 1005 + b"\xc0" + bytes(5)
            caller.say(MESSAGE, nested if field == "nested" else b"")
            await there.until(lambda: bool(there.refused))
            assert there.refused[0][0] == 0 and "msgpack" in there.refused[0][1]
            caller.say(MESSAGE, encode(Message(Kind.SKIP, 0), 0, swarm.schema)[0])
            await there.until(lambda: len(there.messages) == 1)
            assert not there.failed

    asyncio.run(scene())


def test_the_newest_authenticated_connection_carries_the_edge() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        there = Recorder()
        high = swarm.links(1, [0], there, liveness=QUICK)
        await high.start()
        callers = []
        for number in range(5):
            caller = await asyncio.to_thread(Caller.of, swarm.addresses[1])
            await asyncio.to_thread(caller.link, liar(swarm), swarm.identities[1].public)
            await there.until(lambda number=number: [up for _, up, _ in there.links].count(True) == number + 1)
            callers.append(caller)
        assert all([await asyncio.to_thread(caller.is_cut) for caller in callers[:-1]])
        assert high._multiplexer._sockets.connections == 1
        callers[-1].say(MESSAGE, encode(Message(Kind.SKIP, 0), 0, swarm.schema)[0])
        await there.until(lambda: len(there.messages) == 1)
        await high.close()

    asyncio.run(scene())

"""Links between real sockets: models arrive, strangers get nothing, bad bytes cost only their sender."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import time
from functools import partial

import numpy as np
import pytest

from p2pfl_me.errors import PeerError, WireError
from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.handshake import contracts_differ
from p2pfl_me.wire.identity import new_identity
from p2pfl_me.wire.sockets import BURST
from p2pfl_me.wire.stream_sockets import split_address
from p2pfl_me.wire.thread_bridge import UNREAD
from tests.wire.peers import QUICK, Recorder, Swarm, free_ports


def test_models_travel_both_ways_whole_and_in_order() -> None:
    async def scene() -> None:
        swarm = Swarm(2, size=700_001)  # three records a model, the last one short
        low, high, here, there = await swarm.linked()
        models = [np.random.default_rng(k).normal(size=700_001).astype(np.float32) for k in range(4)]
        for round, model in enumerate(models):
            assert high.send(0, Message(Kind.OFFER, round, round, model))
            assert low.send(1, Message(Kind.ANSWER, round, round, model))
            high.send(0, Message(Kind.WITHDRAW, round, round))
        await here.until(lambda: len(here.messages) == 8)
        await there.until(lambda: len(there.messages) == 4)
        kinds = [message.kind for _, message in here.messages]
        assert kinds == [Kind.OFFER, Kind.WITHDRAW] * 4
        for round, model in enumerate(models):
            assert here.messages[2 * round][1] == Message(Kind.OFFER, round, round, model)
            assert there.messages[round][1] == Message(Kind.ANSWER, round, round, model)
        assert await high.part(5)
        await low.close()
        await high.close()
        sent = [entry for entry in swarm.entries[1] if entry.kind == "offer"]
        assert len(sent) == 4 and all(entry.wire > entry.bytes > 4 * 700_001 for entry in sent)
        assert len({entry.sha256 for entry in sent}) == 4
        assert high.bytes_sent >= sum(entry.wire for entry in sent)
        assert low.bytes_received >= sum(entry.wire for entry in sent)

    asyncio.run(scene())


def test_two_contracts_that_differ_say_where() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        here, there = Recorder(), Recorder()
        low = swarm.links(0, [1], here, sections={"training": b"1" * 32, "model": b"m" * 32})
        high = swarm.links(1, [0], there, prologue=b"q" * 32, sections={"training": b"2" * 32, "model": b"m" * 32})
        await high.start()
        await low.start()
        await here.until(lambda: bool(here.refused))
        await there.until(lambda: bool(there.refused))
        assert "peer 1 has another contract: `training` differ" in here.refused[0][1]
        assert "peer 0 has another contract: `training` differ" in there.refused[0][1]
        assert not here.links and not there.links
        assert not high.send(0, Message(Kind.WITHDRAW, 0))
        await low.close()
        await high.close()

    asyncio.run(scene())


@pytest.mark.parametrize("stranger", [0, 1])
def test_a_key_outside_the_allow_list_gets_nothing(stranger: int) -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        recorders = [Recorder(), Recorder()]
        identities = [new_identity() if peer == stranger else None for peer in range(2)]
        low = swarm.links(0, [1], recorders[0], identity=identities[0])
        high = swarm.links(1, [0], recorders[1], identity=identities[1])
        await high.start()
        await low.start()
        await recorders[1].until(lambda: bool(recorders[1].refused))
        await recorders[0].until(lambda: bool(recorders[0].refused))
        assert not recorders[0].links and not recorders[1].links
        assert high.bytes_sent == 0, "not even an answer"
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_a_public_key_that_is_no_key_is_reported() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        here, there = Recorder(), Recorder()
        swarm.identities[1] = dataclasses.replace(swarm.identities[1], public=bytes(32))
        low = swarm.links(0, [1], here)
        high = swarm.links(1, [0], there)
        await high.start()
        await low.start()
        await here.until(lambda: bool(here.refused))
        assert "peer 1: the public key that the contract names is no key" in here.refused[0][1]
        assert not here.failed
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_what_a_neighbour_calls_its_sections_stays_on_one_line() -> None:
    line = contracts_differ(1, ["\x1b[2J\nneighbour 7 is up", "training"])
    assert line.isprintable() and "`?[2J?neighbour 7 is up`, `training` differ" in line


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.6\r\n", b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_address_where_something_else_listens_is_reported_and_dialled_again(words: bytes) -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        here = Recorder()

        async def other(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(words)
            writer.close()

        server = await asyncio.start_server(other, *split_address(swarm.addresses[1]))
        low = swarm.links(0, [1], here)
        await low.start()
        await here.until(lambda: bool(here.refused))
        assert f"peer 1 at {swarm.addresses[1]} does not speak p2pme's protocol" in here.refused[0][1]
        server.close()
        await server.wait_closed()
        high = swarm.links(1, [0], Recorder())
        await high.start()
        await here.until(lambda: here.is_up(1))
        await low.close()
        await high.close()

    asyncio.run(scene())


@pytest.mark.parametrize("restarted", [0, 1])
def test_either_side_may_restart(restarted: int) -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        recorders = [Recorder(), Recorder()]
        links = [swarm.links(0, [1], recorders[0]), swarm.links(1, [0], recorders[1])]
        for each in reversed(links):
            await each.start()
        other = 1 - restarted
        await recorders[other].until(lambda: recorders[other].is_up(restarted))
        await recorders[restarted].until(lambda: recorders[restarted].is_up(other))
        await links[restarted].close()
        await recorders[other].until(lambda: not recorders[other].is_up(restarted))
        recorders[restarted] = Recorder()
        links[restarted] = swarm.links(restarted, [other], recorders[restarted])
        await links[restarted].start()
        await recorders[other].until(lambda: recorders[other].is_up(restarted))
        await recorders[restarted].until(lambda: recorders[restarted].is_up(other))
        model = np.full(100, 3, np.float32)
        links[other].send(restarted, Message(Kind.OFFER, 0, 0, model))
        await recorders[restarted].until(lambda: len(recorders[restarted].messages) == 1)
        for each in links:
            await each.close()

    asyncio.run(scene())


def test_the_higher_id_may_be_the_one_that_calls_and_then_needs_no_port() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        here, there = Recorder(), Recorder()
        low = swarm.links(0, [1], here, dialled=False)
        swarm.addresses[1] = None  # type: ignore[call-overload]
        high = swarm.links(1, [0], there, dialled=True)
        await low.start()
        await high.start()
        await here.until(lambda: here.is_up(1))
        await there.until(lambda: there.is_up(0))
        assert not low.unreachable and not high.unreachable
        high.send(0, Message(Kind.HELLO, 0, 7))
        low.send(1, Message(Kind.HELLO, 0, 7))
        await here.until(lambda: len(here.messages) == 1)
        await there.until(lambda: len(there.messages) == 1)
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_a_name_that_cannot_be_looked_up_is_named() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        here = Recorder()
        swarm.addresses[1] = "tcp://nobody.invalid:4000"
        low = swarm.links(0, [1], here)
        await low.start()
        await here.until(lambda: bool(here.refused))
        peer, reason = here.refused[0]
        assert peer is None and "peer 1 at tcp://nobody.invalid:4000: the name nobody.invalid cannot be" in reason
        assert low.unreachable[1].startswith("tcp://nobody.invalid:4000: the name")
        await low.close()

    asyncio.run(scene())


def test_two_processes_with_one_identity_are_both_told_and_so_is_their_neighbour() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        low, high, here, there = await swarm.linked()
        second = Recorder()
        swarm.addresses[0] = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        twin = swarm.links(0, [1], second)
        await twin.start()
        for recorder in (here, second):
            await recorder.until(
                lambda recorder=recorder: any("this one, twice" in said for _, said in recorder.refused)
            )
        assert any("peer 0 is there twice" in reason for _, reason in there.refused)
        assert {peer for each in (here, there, second) for peer, _ in each.refused} == {None}
        for each in (low, twin, high):
            await each.close()

    asyncio.run(scene())


def test_an_echo_takes_its_time_and_one_whose_link_has_gone_is_told() -> None:
    async def scene() -> None:
        low, high, *_ = await Swarm(2).linked()
        async with asyncio.timeout(20):
            assert 0 < await low.echo(1, os.urandom(1000)) < 20
            low._reactor.post(partial(low._multiplexer.quarantine, 1))
            with pytest.raises(WireError, match="the link to peer 1 has gone"):
                await low.echo(1, b"?")  # no turn of the loop in between: it has not heard that the link is down
            low.quarantine(1)
            with pytest.raises(WireError, match="there is no link to peer 1"):
                await low.echo(1, b"?")
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_two_links_share_a_peer_and_traffic_is_booked_by_neighbour() -> None:
    async def scene() -> None:
        swarm = Swarm(3, size=400_000)
        recorders = [Recorder() for _ in range(3)]
        links = [swarm.links(0, [1], recorders[0]), swarm.links(1, [0, 2], recorders[1])]
        links.append(swarm.links(2, [1], recorders[2]))
        for each in links:
            await each.start()
        await recorders[1].until(lambda: recorders[1].is_up(0) and recorders[1].is_up(2))
        model = np.ones(400_000, np.float32)
        for round in range(20):  # more than may be under way: the queue has to wait for room
            links[1].send(0, Message(Kind.OFFER, round, round, model))
            links[1].send(2, Message(Kind.ANSWER, round, round, model))
        await recorders[0].until(lambda: len(recorders[0].messages) == 20)
        await recorders[2].until(lambda: len(recorders[2].messages) == 20)
        for recorder in (recorders[0], recorders[2]):
            assert [message.round for _, message in recorder.messages] == list(range(20))
        assert await links[1].part(20)  # the ledger is the thread's: it may lag by a record
        assert all(links[1].traffic[peer].sent > 20 * 1_600_000 for peer in (0, 2))
        for each in links:
            await each.close()

    asyncio.run(scene())


def test_a_busy_loop_holds_the_sender_back_and_loses_nothing() -> None:
    async def scene() -> None:
        swarm = Swarm(2, size=400_000)
        low, high, _here, there = await swarm.linked()
        model = np.ones(400_000, np.float32)
        for round in range(60):
            low.send(1, Message(Kind.ANSWER, round, round, model))
        sending, receiving = low._multiplexer._neighbours[1], high._bridge
        until = time.monotonic() + 60
        while not (receiving.is_full and sending.pace.piece == 0) and time.monotonic() < until:
            os.sched_yield()  # this is the loop: while it is busy here, it hears nothing
        assert receiving._told - receiving._heard <= UNREAD + BURST
        assert there.messages == []
        await there.until(lambda: len(there.messages) == 60)
        assert [message.round for _, message in there.messages] == list(range(60))
        assert there.is_up(0), "a neighbour that is not listened to is not silent"
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_a_taken_port_is_named() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        first, second = swarm.links(0, [1], Recorder()), swarm.links(0, [1], Recorder(), liveness=QUICK)
        await first.start()
        with pytest.raises(PeerError, match=swarm.addresses[0].rpartition(":")[2]):
            await second.start()
        await first.close()
        await second.close()

    asyncio.run(scene())

"""Strangers, eavesdroppers, and whoever sits on the line: what each can end, fill, cost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire import handshake_stages, handshaker
from p2pfl_me.wire.admission import ADDRESSES, WAITING, WaitingRoom, edge_key, network_of
from p2pfl_me.wire.budget import Bucket
from p2pfl_me.wire.complaints import NOT_CALLED
from p2pfl_me.wire.endpoint import Agrees, Differs, Unreachable
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.handshake import MAX_FRAME, REPLY, Terms, greeting, hello, read_greeting
from p2pfl_me.wire.identity import new_identity
from p2pfl_me.wire.links import Links, Liveness
from p2pfl_me.wire.stream_sockets import split_address
from p2pfl_me.wire.unknown import UNKNOWN, answer, is_from
from tests.wire.peers import QUICK, Recorder, Swarm, free_ports
from tests.wire.raw import Caller, Tap

PROLOGUE = b"p" * 32
prefix = Lengths().write
SECTIONS = {"training": b"1" * 32}


async def still_linked(low: Links, there: Recorder) -> None:
    """A message passes over the link from 0 to 1."""
    before = len(there.messages)
    low.send(1, Message(Kind.HELLO, 0, 7))
    await there.until(lambda: len(there.messages) > before)


# -- strangers --------------------------------------------------------------------------------------------------------


@pytest.mark.few(12)
@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" + bytes(8) + b"\x7f\x03\x00PLAIN".ljust(20, b"\0") + bytes(32),  # another protocol's greeting
        prefix(MAX_FRAME) + bytes(MAX_FRAME),
        prefix(MAX_FRAME + 1),
        prefix(2**32 - 1),
        prefix(0) * 1000,
        (prefix(1) + b"\x01") * 1000,
        prefix(100) + greeting(bytes(16)),
        prefix(18) + greeting(bytes(16)),
        prefix(45) + b"\x10" + bytes(44),
    ],
)
@pytest.mark.parametrize("ends", ["waits", "closes", "resets"])
def test_whatever_a_stranger_says_ends_its_own_connection_and_nothing_else(words: bytes, ends: str) -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        low, high, here, there = await swarm.linked()

        def call() -> None:
            for _ in range(4):
                stranger = Caller.of(swarm.addresses[1])
                with contextlib.suppress(ConnectionError):
                    stranger.socket.sendall(words)
                if ends == "resets":
                    stranger.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                if ends == "waits" and len(words) > 100:
                    assert stranger.is_cut()
                stranger.close()

        await asyncio.to_thread(call)
        await still_linked(low, there)
        assert [up for _, up, _ in here.links] == [True] == [up for _, up, _ in there.links]
        assert not there.failed and all(peer is None for peer, _ in there.refused), "and nobody is blamed"
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_a_stranger_that_knows_every_public_key_gets_a_greeting_and_that_its_key_is_not_known() -> None:
    """Whoever holds the contract: it can answer no challenge, nor say that it is anybody of the contract."""

    async def scene() -> None:
        swarm = Swarm(2)
        low, high, _, there = await swarm.linked()
        thief = Terms(0, new_identity(), PROLOGUE, SECTIONS)

        def call() -> bytes:
            stranger = Caller.of(swarm.addresses[1])
            challenge = read_greeting(stranger.receive())
            key = edge_key(thief.identity, swarm.identities[1].public)
            made, awaiting = hello(thief, swarm.identities[1].public, key, challenge)
            stranger.send(made)
            told = stranger.receive()
            assert is_from(told, swarm.identities[1].public, awaiting.ephemeral, challenge, made)
            stranger.send(answer(thief.identity, told, challenge, made, [swarm.identities[1].public]))
            return stranger.receive()

        assert await asyncio.to_thread(call) == b""
        await there.until(lambda: bool(there.refused))
        assert "a key outside the allow list" in there.refused[0][1] and "from 127.0.0.1" in there.refused[0][1]
        assert not there.news, "and it is nobody's word that counts"
        await still_linked(low, there)
        await low.close()
        await high.close()

    asyncio.run(scene())


@pytest.mark.parametrize("refused", [0, 1])
def test_whose_key_its_neighbour_does_not_know_hears_so_from_the_neighbour_itself(refused: int) -> None:
    """Whether it calls or is called; and the other one, which may have better neighbours, is not told to stop."""

    async def scene() -> None:
        swarm, recorders = Swarm(2), (Recorder(), Recorder())
        links = [
            swarm.links(k, [1 - k], recorders[k], identity=new_identity() if k == refused else None) for k in (1, 0)
        ]
        for each in links:
            await each.start()
        told = recorders[refused]
        await told.until(lambda: bool(told.news))
        assert told.news[0] == Differs(1 - refused, by_key=True)
        assert any(
            reason.startswith(f"peer {1 - refused} ") and "by another key" in reason for _, reason in told.refused
        )
        assert not [each for each in recorders[1 - refused].news if isinstance(each, Differs)]
        assert not told.links and not recorders[1 - refused].links
        for each in links:
            await each.close()

    asyncio.run(scene())


def test_whom_nobody_calls_asks_and_hears_that_its_key_is_not_known() -> None:
    """A copy of a laboratory that runs elsewhere with a key that is good no more: who should call it never will."""

    async def scene() -> None:
        swarm, here, there = Swarm(2), Recorder(), Recorder()
        low = swarm.links(0, [1], there)
        await low.start()
        swarm.addresses[1] = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        copy = swarm.links(1, [0], here, identity=new_identity(), liveness=replace(QUICK, ask_s=0.05))
        await copy.start()
        await here.until(lambda: bool(here.news))
        assert here.news[0] == Differs(0, by_key=True) and not here.links and not there.links
        for each in (copy, low):
            await each.close()

    asyncio.run(scene())


def test_whom_calls_do_not_reach_hears_that_it_should_have_been_called() -> None:
    """Its key is good: its address in the contract is another machine's, or closed from there."""

    async def scene() -> None:
        swarm, here, there = Swarm(2), Recorder(), Recorder()
        low = swarm.links(0, [1], there)
        await low.start()
        swarm.addresses[1] = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        high = swarm.links(1, [0], here, liveness=replace(QUICK, ask_s=0.05))
        await high.start()
        why = Unreachable(0, f"{swarm.addresses[0]}: {NOT_CALLED}")
        await here.until(lambda: why in here.news)
        assert {*here.news} == {why, Agrees(0)} and Agrees(1) in there.news
        assert not here.refused and not there.refused and not here.links and not there.links
        for each in (high, low):
            await each.close()

    asyncio.run(scene())


def test_what_an_eavesdropper_has_heard_opens_no_other_connection() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        here, there = Recorder(), Recorder()
        high = swarm.links(1, [0], there)
        await high.start()
        tap = Tap(swarm.addresses[1])
        true, swarm.addresses[1] = swarm.addresses[1], await tap.open()
        low = swarm.links(0, [1], here)
        await low.start()
        await there.until(lambda: there.is_up(0))
        await here.until(lambda: here.is_up(1))
        await still_linked(low, there)
        heard = b"".join(data for towards, data in tap.seen if towards)

        def replay() -> bool:
            again = Caller.of(true)
            again.receive()
            again.socket.sendall(heard)
            return again.is_cut()

        assert await asyncio.to_thread(replay)
        await still_linked(low, there)
        assert [up for _, up, _ in there.links] == [True] and len(there.messages) == 2
        assert {peer for peer, _ in there.refused} == {None}
        await low.close()
        await high.close()
        await tap.close()

    asyncio.run(scene())


@pytest.mark.parametrize("challenges", ["fresh", "always the same"])
def test_a_handshake_is_refused_after_a_restart_too_without_a_memory_of_it(
    challenges: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was answered is one challenge, and each connection has one of its own: nothing need be kept, and nothing is
    lost by a restart. Where a challenge comes twice, the same words do get an answer, and still no link."""
    if challenges != "fresh":
        monkeypatch.setattr(handshaker, "os", SimpleNamespace(urandom=bytes))

    async def scene() -> None:
        swarm = Swarm(2)
        here, there = Recorder(), Recorder()
        high = swarm.links(1, [0], there)
        await high.start()
        tap = Tap(swarm.addresses[1])
        true, swarm.addresses[1] = swarm.addresses[1], await tap.open()
        low = swarm.links(0, [1], here)
        await low.start()
        await there.until(lambda: there.is_up(0))
        heard = b"".join(data for towards, data in tap.seen if towards)
        await low.close()
        await high.close()
        swarm.addresses[1] = true
        again = Recorder()
        high = swarm.links(1, [0], again)
        await high.start()

        def replay() -> bytes:
            caller = Caller.of(true)
            caller.receive()
            caller.socket.sendall(heard)
            return caller.receive()

        for _ in range(3):
            told = await asyncio.to_thread(replay)
            assert told[:1] == bytes([UNKNOWN if challenges == "fresh" else REPLY])
        assert not again.links, "it never was a link"
        await high.close()
        await tap.close()

    asyncio.run(scene())


def test_idle_callers_are_few_and_do_not_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake_stages, "HANDSHAKE_S", 60.0)  # nobody goes by the clock before all are counted

    async def scene() -> None:
        swarm = Swarm(2)
        there = Recorder()
        high = swarm.links(1, [0], there)
        await high.start()
        idle = [socket.create_connection(split_address(swarm.addresses[1]), timeout=20) for _ in range(3 * WAITING)]
        here = Recorder()
        low = swarm.links(0, [1], here)
        await low.start()
        await there.until(lambda: there.is_up(0))
        await here.until(lambda: here.is_up(1))
        sockets = high._multiplexer._sockets
        assert sockets.connections <= WAITING + 1
        monkeypatch.setattr(handshake_stages, "HANDSHAKE_S", 0.3)
        assert await asyncio.to_thread(lambda: all(Caller(each).is_cut() for each in idle))
        await still_linked(low, there)
        assert sockets.connections == 1
        for each in idle:
            each.close()
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_a_crowd_at_one_address_does_not_push_out_whoever_comes_from_another() -> None:
    room: WaitingRoom[int] = WaitingRoom(most=8)
    assert [room.enter(number, "10.0.0.9") for number in range(8)] == [None] * 8
    assert room.enter(-1, "10.0.0.1") == 0, "the longest waiting of the crowd"
    for number in range(8, 1000):
        gone = room.enter(number, "10.0.0.9")
        assert gone is not None and gone != -1
    room.leave(-1)
    assert room.enter(2000, "10.0.0.9") is None
    now, admitted = 0.0, 0
    for _ in range(20_000):
        now += 1e-3
        admitted += room.admits(now, "10.0.0.9")
    assert admitted <= 64 + 20 * 10 + 1 and room.admits(now, "10.0.0.1")
    for host in range(5000):
        room.admits(now, f"10.1.{host // 256}.{host % 256}")
    assert len(room._of_one) <= 1024, "addresses are remembered in bounded memory"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:10.0.0.9") == "10.0.0.9" and network_of("fe80::1%eth0") == network_of("fe80::2")


def test_calls_are_looked_at_at_a_bounded_rate() -> None:
    room: WaitingRoom[int] = WaitingRoom()
    now, looked = 0.0, 0
    while now < 10:
        looked += 1
        now += max(room.looks(now), 1e-5)
    assert looked <= 10 * 1000 + 200 + 1


def test_so_many_addresses_are_counted_and_no_more() -> None:
    """The one that has not called for longest is forgotten, not the one that calls all the time."""
    room: WaitingRoom[int] = WaitingRoom()
    for number in range(3 * ADDRESSES):
        room.admits(0.0, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        if number < 200:
            room.admits(0.0, "10.9.9.9")
        assert len(room._of_one) <= ADDRESSES
    for number in range(ADDRESSES - 1):
        room.admits(0.0, f"10.8.{number >> 8}.{number & 255}")
        if number % 100 == 0:
            room.admits(0.0, "10.7.7.7")
    assert "10.7.7.7" in room._of_one and "10.9.9.9" not in room._of_one


def test_a_bucket_is_full_at_first_and_refills() -> None:
    bucket = Bucket(rate=2.0, burst=3.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.take(10.5) and not bucket.take(10.5) and not bucket.take(9.0), "a clock that goes back gives nothing"
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]
    assert Bucket(2.0, 3.0).charge(0.0, 7.0) == 2.0


# -- on the line ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("towards", [True, False])
def test_flipped_bits_blame_nobody_and_lose_nothing(towards: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever they fall, six at least: in the handshake, in a length, in a header, in a body."""
    monkeypatch.setattr(handshake_stages, "HANDSHAKE_S", 0.5)

    async def scene() -> None:
        swarm = Swarm(2, size=3000)
        here, there = Recorder(), Recorder()
        high = swarm.links(1, [0], there)
        await high.start()
        flips, passed = [3, 30, 700, 5000, 12_500, 20_000, 26_000, 31_000], 0

        def flip(data: bytes, way: bool) -> bytes:
            nonlocal passed
            if way != towards:
                return data
            begin, passed = passed, passed + len(data)
            changed = bytearray(data)
            while flips and flips[0] < passed:
                if (at := flips.pop(0)) >= begin:
                    changed[at - begin] ^= 16
            return bytes(changed)

        tap = Tap(swarm.addresses[1], flip)
        swarm.addresses[1] = await tap.open()
        low = swarm.links(0, [1], here)
        await low.start()
        await there.until(lambda: there.is_up(0))
        await here.until(lambda: here.is_up(1))
        sender, to, got = (low, 1, there) if towards else (high, 0, here)
        for round in range(6):
            sender.send(to, Message(Kind.PUSH, round, 0, np.full(3000, round, np.float32)))
        await got.until(lambda: len(got.messages) == 6)
        assert [message.round for _, message in got.messages] == list(range(6))
        assert all((message.params == round).all() for round, (_, message) in enumerate(got.messages))  # type: ignore[union-attr]
        assert tap.connections > 3, "the line did break"
        assert [up for _, up, _ in got.links] == [True], "and nobody was told"
        assert {peer for each in (here, there) for peer, _ in each.refused} <= {None}
        await low.close()
        await high.close()
        await tap.close()

    asyncio.run(scene())


def test_a_transfer_that_is_cut_again_and_again_is_gone_on_with() -> None:
    async def scene() -> None:
        swarm = Swarm(2, size=1_000_000)
        here, there = Recorder(), Recorder()
        high = swarm.links(1, [0], there)
        await high.start()
        tap = Tap(swarm.addresses[1])
        cuts = [500_000, 1_500_000, 1_600_000, 3_900_000]

        def cut(data: bytes, towards: bool) -> bytes:
            if cuts and sum(len(each) for way, each in tap.seen if way) > cuts[0]:
                cuts.pop(0)
                tap.cut()
            return data

        tap.change = cut
        swarm.addresses[1] = await tap.open()
        low = swarm.links(0, [1], here)
        await low.start()
        await here.until(lambda: here.is_up(1))
        model = np.random.default_rng(0).normal(size=1_000_000).astype(np.float32)
        low.send(1, Message(Kind.PUSH, 0, 0, model))
        await there.until(lambda: len(there.messages) == 1)
        assert there.messages[0][1] == Message(Kind.PUSH, 0, 0, model)
        assert not cuts and tap.connections == 5
        assert [up for _, up, _ in here.links] == [True] == [up for _, up, _ in there.links]
        # What had left when the line was cut and never came is sent again, and no more than was under way.
        assert high.bytes_received < 1.02 * 4_000_000
        assert await low.part(5)
        await low.close()
        await high.close()
        await tap.close()

    asyncio.run(scene())


def test_a_line_that_carries_a_model_slowly_is_not_silent_and_pings_pass() -> None:
    """A megabyte at 1.6 Mbit/s takes twenty times as long as silence may last; what counts is that bytes come."""

    async def scene() -> None:
        swarm = Swarm(2, size=100_000)
        here, there = Recorder(), Recorder()
        quick = Liveness(ping_s=0.05, silence_s=0.5, retry_s=0.05)
        high = swarm.links(1, [0], there, liveness=quick)
        await high.start()
        tap = Tap(swarm.addresses[1], rate=200_000)
        swarm.addresses[1] = await tap.open()
        low = swarm.links(0, [1], here, liveness=quick)
        await low.start()
        await here.until(lambda: here.is_up(1))
        low.send(1, Message(Kind.PUSH, 0, 0, np.ones(100_000, np.float32)))
        await there.until(lambda: len(there.messages) == 1)
        assert tap.connections == 1 and [up for _, up, _ in there.links] == [True]
        assert low._multiplexer._neighbours[1].pace.window < 200_000
        await low.close()
        await high.close()
        await tap.close()

    asyncio.run(scene())

"""How links between real sockets end: last words, silence, quarantine, and what cannot be written down."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from p2pfl_me.errors import PeerError
from p2pfl_me.message import Kind, Message
from p2pfl_me.wire import handshake_stages
from p2pfl_me.wire.complaints import MUTE
from p2pfl_me.wire.endpoint import Unreachable
from p2pfl_me.wire.links import Liveness
from p2pfl_me.wire.stream_sockets import split_address
from tests.wire.peers import Recorder, Swarm


def test_the_last_message_before_closing_arrives() -> None:
    async def scene() -> None:
        swarm = Swarm(2, size=2_000_000)
        low, high, _here, there = await swarm.linked()
        model = np.ones(2_000_000, np.float32)
        low.send(1, Message(Kind.ANSWER, 0, 0, model))
        low.send(1, Message(Kind.LEAVE, 0, 0))
        closing = asyncio.create_task(part_and_close(low))
        await there.until(lambda: len(there.messages) == 2)
        await there.until(lambda: not there.is_up(0))
        assert [message.kind for _, message in there.messages] == [Kind.ANSWER, Kind.LEAVE]
        await closing
        await high.close()

    async def part_and_close(links: object) -> None:
        await links.part(10)  # type: ignore[attr-defined]
        await links.close()  # type: ignore[attr-defined]

    asyncio.run(scene())


@pytest.mark.parametrize("leaver", [0, 1])
def test_nobody_leaves_before_its_last_words_have_been_read(leaver: int) -> None:
    """Five times, for it is a race: whatever a DEALER holds when its connection ends would be lost."""
    for _ in range(5):
        assert last_words(leaver) == [Kind.PUSH, Kind.LEAVE]


def last_words(leaver: int) -> list[Kind]:
    """What is read of a model and a LEAVE, if their sender then closes at once; it runs in a thread of its own."""
    recorders, swarm = [Recorder(), Recorder()], Swarm(2, size=262_659)
    model, parted, there = np.ones(262_659, np.float32), list[bool](), threading.Event()

    async def leave() -> None:
        links = swarm.links(leaver, [1 - leaver], recorders[leaver])
        await links.start()
        await recorders[leaver].until(lambda: recorders[leaver].is_up(1 - leaver))
        there.wait(20)
        links.send(1 - leaver, Message(Kind.PUSH, 0, 0, model))
        links.send(1 - leaver, Message(Kind.LEAVE, 0, 0))
        parted.append(await links.part(20))
        await links.close()

    async def stay() -> None:
        here = recorders[1 - leaver]
        links = swarm.links(1 - leaver, [leaver], here)
        await links.start()
        await here.until(lambda: here.is_up(leaver))
        there.set()
        await here.until(lambda: not here.is_up(leaver))
        await links.close()

    thread = threading.Thread(target=lambda: asyncio.run(leave()), daemon=True)
    thread.start()
    asyncio.run(stay())
    thread.join(20)
    assert parted == [True]
    return [message.kind for _, message in recorders[1 - leaver].messages]


def test_a_neighbour_that_is_gone_or_leaving_itself_keeps_nobody() -> None:
    async def scene() -> None:
        swarm = Swarm(3)
        recorders = [Recorder() for _ in range(3)]
        links = [swarm.links(me, [peer for peer in range(3) if peer != me], recorders[me]) for me in range(3)]
        for each in links:
            await each.start()
        for me, recorder in enumerate(recorders):
            await recorder.until(lambda me=me, recorder=recorder: all(recorder.is_up(p) for p in range(3) if p != me))
        await links[1].close()  # without a word, as a crash would
        assert all(await asyncio.gather(links[0].part(20), links[2].part(20)))
        assert all(await asyncio.gather(links[0].part(20), links[2].part(20)))
        await links[0].close()
        assert await links[2].part(20)
        await links[2].close()

    asyncio.run(scene())


def test_bad_weights_are_refused_and_quarantine_ends_the_link() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        low, high, _here, there = await swarm.linked()
        for bad in (np.nan, np.inf, 1e6):
            model = np.ones(100, np.float32)
            model[50] = bad
            low.send(1, Message(Kind.ANSWER, 0, 0, model))
        low.send(1, Message(Kind.WITHDRAW, 5))
        await there.until(lambda: len(there.messages) == 1)
        assert [peer for peer, _ in there.refused] == [0, 0, 0]
        assert "NaN" in there.refused[0][1] and "absurd" in there.refused[2][1]
        high.quarantine(0)
        assert not there.is_up(0)
        assert not high.send(0, Message(Kind.WITHDRAW, 5))
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_silence_takes_a_link_down() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        here, there = Recorder(), Recorder()
        mute = Liveness(ping_s=1000, silence_s=1000, retry_s=0.05)
        low = swarm.links(0, [1], here, liveness=mute)
        high = swarm.links(1, [0], there, liveness=Liveness(ping_s=0.05, silence_s=0.2, retry_s=0.05))
        await high.start()
        await low.start()
        await there.until(lambda: there.is_up(0))
        await there.until(lambda: not there.is_up(0))
        assert "silent" in there.links[-1][2]
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_a_link_given_up_on_one_side_only_comes_back_without_blame() -> None:
    async def scene() -> None:
        swarm = Swarm(2)
        here, there = Recorder(), Recorder()
        low = swarm.links(0, [1], here, liveness=Liveness(ping_s=0.05, silence_s=1.0, retry_s=0.05))
        high = swarm.links(1, [0], there, liveness=Liveness(ping_s=1000, silence_s=1000, retry_s=1000))
        await high.start()
        await low.start()
        await here.until(lambda: len(here.links) >= 3)
        assert [up for _, up, _ in here.links[:3]] == [True, False, True]
        await there.until(lambda: len(there.links) >= 3)
        assert [up for _, up, _ in there.links[:3]] == [True, False, True]
        assert not here.refused and not there.refused
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_a_connection_whose_other_end_is_mute_is_dialled_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake_stages, "HANDSHAKE_S", 0.2)

    async def scene() -> None:
        swarm = Swarm(2)
        here, there = Recorder(), Recorder()
        host, port = split_address(swarm.addresses[1])
        accepted: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
        mute = await asyncio.start_server(lambda _, writer: accepted.set_result(writer), host, port)
        low = swarm.links(0, [1], here)
        await low.start()
        writer = await accepted
        mute.close()  # nobody listens any more, but this connection stays open and never speaks
        high = swarm.links(1, [0], there)
        await high.start()
        await here.until(lambda: here.is_up(1))
        assert not writer.is_closing()
        assert here.news[0] == Unreachable(1, f"{swarm.addresses[1]}: {MUTE}"), (
            "at once, and not after four times as long"
        )
        await low.close()
        await high.close()
        writer.close()

    asyncio.run(scene())


def test_what_cannot_be_booked_ends_the_links() -> None:
    """Nothing leaves that does not stand in the ledger: its disk is full."""

    async def scene() -> None:
        swarm = Swarm(2)
        here, there = Recorder(), Recorder()

        def full(entry: object) -> None:
            raise PeerError("cannot be written: no space left on device")

        low, high = swarm.links(0, [1], here, ledger=full), swarm.links(1, [0], there)

        await high.start()
        await low.start()
        await here.until(lambda: here.is_up(1))
        low.send(1, Message(Kind.WITHDRAW, 0))
        await here.until(lambda: bool(here.failed))
        assert "no space left" in str(here.failed[0])
        await there.until(lambda: not there.is_up(0))
        assert not await low.part(5)
        await low.close()
        await high.close()

    asyncio.run(scene())

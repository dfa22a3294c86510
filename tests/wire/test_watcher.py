"""Silence, others' eyes, and one's own lateness: told with names, and nothing follows from any of it."""

from __future__ import annotations

import asyncio
import time

import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.wire.endpoint import Sighted, Starved, Unreachable
from p2pfl_me.wire.links import Liveness
from p2pfl_me.wire.sightings import ASKED, MOST, TOLD, Seen, Sight, Sightings
from tests.wire.peers import QUICK, Recorder, Swarm
from tests.wire.raw import Tap

WATCHFUL = Liveness(ping_s=0.05, silence_s=4.0, retry_s=0.05, resume_s=0.2)


def answered(asked: Sightings, asking: Sightings, peer: int, sight: Sight) -> Seen | None:
    asking.ask(peer)
    question = asking.next()
    assert question is not None and asked.hear(*question) is None and asked.asked() == [peer]
    asked.tell(Seen(peer, sight, 1.5))
    answer = asked.next()
    assert answer is not None and asked.is_idle
    return asking.hear(*answer)


@pytest.mark.parametrize("sight", list(Sight))
def test_a_question_is_answered_once(sight: Sight) -> None:
    one, other = Sightings(), Sightings()
    assert answered(other, one, 7, sight) == Seen(7, sight, 1.5) == answered(other, one, 7, sight)
    assert one.is_idle and one.next() is None


def test_what_nobody_asked_and_what_nobody_says_is_refused() -> None:
    one, liar = Sightings(), Sightings()
    liar.ask(3)
    for kind, payload in ((TOLD, bytes(9)), (TOLD, b""), (ASKED, b"123"), (TOLD, b"\0\0\0\x03\x09" + bytes(4))):
        with pytest.raises(WireError):
            one.hear(kind, payload)
    one.ask(3)
    one.next()
    with pytest.raises(WireError, match="which nobody asked"):
        one.hear(TOLD, b"\0\0\0\x03\x09" + bytes(4))
    assert one.hear(TOLD, b"\0\0\0\x03\x02" + bytes(4)) == Seen(3, Sight.GONE, 0.0)
    with pytest.raises(WireError, match="which nobody asked"):
        one.hear(TOLD, b"\0\0\0\x03\x02" + bytes(4))


def test_questions_without_end_are_bounded_at_both_ends() -> None:
    one, flood = Sightings(), Sightings()
    for peer in range(MOST):
        one.hear(ASKED, peer.to_bytes(4, "big"))
    with pytest.raises(WireError, match="again and again"):
        one.hear(ASKED, b"\1\0\0\0")
    for peer in range(3 * MOST):
        flood.ask(peer)
    assert len(list(iter(flood.next, None))) == MOST


def test_one_that_falls_silent_is_suspect_and_named_with_who_hears_it_until_it_is_heard_again() -> None:
    async def scene() -> None:
        swarm, told = Swarm(3), [Recorder() for _ in range(3)]
        frozen = False
        tap = Tap(swarm.addresses[2])
        true, through = swarm.addresses[2], await tap.open()

        async def wait() -> None:
            while frozen:
                await asyncio.sleep(0.01)

        tap.pause = wait
        links = []
        for me in range(3):
            swarm.addresses[2] = through if me == 0 else true
            others = [each for each in range(3) if each != me]
            links.append(swarm.links(me, others, told[me], liveness=WATCHFUL if me == 0 else QUICK))
        for each in links:
            await each.start()
        for me in range(3):
            others = [each for each in range(3) if each != me]
            await told[me].until(lambda me=me, others=others: all(told[me].is_up(each) for each in others))  # type: ignore[misc]
        frozen = True
        await told[0].until(lambda: Sighted(2, True, {1: "up"}) in told[0].news)
        frozen = False
        await told[0].until(lambda: Sighted(2, False, {}) in told[0].news)
        assert [up for _, up, _ in told[0].links] == [True, True], "silence that ends is no end of a link"
        frozen = True
        await told[0].until(lambda: (2, False, "silent for 4 s") in told[0].links)
        await told[0].until(lambda: told[0].news[-1] == Sighted(2, False, {1: "up"}))
        assert not told[0].refused and [up for _, up, _ in told[1].links] == [True, True]
        for each in links:
            await each.close()
        await tap.close()

    asyncio.run(scene())


def test_a_peer_whose_own_links_got_no_time_blames_itself_and_no_neighbour() -> None:
    async def scene() -> None:
        swarm, here, there = Swarm(2), Recorder(), Recorder()
        short = Liveness(ping_s=0.05, silence_s=0.4, retry_s=0.05, resume_s=0.2)
        low, high = swarm.links(0, [1], here, liveness=short), swarm.links(1, [0], there)
        await high.start()
        await low.start()
        await here.until(lambda: here.is_up(1))
        low._reactor.post(lambda: time.sleep(1.5))  # as a machine does that has no time for it
        await here.until(lambda: any(isinstance(each, Starved) for each in here.news))
        (news,) = (each for each in here.news if isinstance(each, Starved))
        assert news.seconds > 1.0
        assert [up for _, up, _ in here.links] == [True]
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_one_that_cannot_be_reached_is_named_with_address_and_error_within_a_moment() -> None:
    async def scene() -> None:
        swarm, here = Swarm(2), Recorder()
        low = swarm.links(0, [1], here)
        await low.start()
        await here.until(lambda: bool(here.news), timeout_s=20)
        assert here.news == [Unreachable(1, f"{swarm.addresses[1]}: refused or unreachable")]
        await low.close()

    asyncio.run(scene())

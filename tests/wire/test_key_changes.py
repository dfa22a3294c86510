"""Links while keys change: both are let in for a time, then one; a revoked one goes within a beat, and stays out."""

from __future__ import annotations

import asyncio

import pytest

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.identity import Identity, new_identity
from p2pfl_me.wire.links import Links
from tests.wire.peers import QUICK, Recorder, Swarm


class Known:
    """What one peer believes of keys; the test is its clock."""

    trouble = ""

    def __init__(self) -> None:
        self.keys: dict[bytes, tuple[bytes, ...]] = {}
        self.is_news = False

    def say(self, stated: bytes, *good: bytes) -> None:
        self.keys[stated], self.is_news = good, True

    def look(self) -> bool:
        news, self.is_news = self.is_news, False
        return news

    def good(self, stated: bytes) -> tuple[bytes, ...]:
        return self.keys.get(stated, (stated,))


class Pair:
    """Peer 0 calls peer 1."""

    def __init__(self) -> None:
        self.swarm = Swarm(2)
        self.recorders = [Recorder(), Recorder()]
        self.known = [Known(), Known()]
        self.links: list[Links | None] = [None, None]

    def public(self, peer: int) -> bytes:
        return self.swarm.identities[peer].public

    async def start(self, peer: int, identity: Identity | None = None, *earlier: Identity) -> None:
        if (old := self.links[peer]) is not None:
            await old.close()
        self.recorders[peer] = Recorder()
        self.links[peer] = made = Links(
            peer,
            self.swarm.addresses[peer],
            identity or self.swarm.identities[peer],
            [self.swarm.endpoint(1 - peer)],
            prologue=b"p" * 32,
            sections={},
            schema=self.swarm.schema,
            handlers=self.recorders[peer],
            liveness=QUICK,
            earlier=earlier,
            stated=self.public(peer),
            trust=self.known[peer],
        )
        await made.start()

    async def linked(self) -> None:
        for peer in (0, 1):
            await self.recorders[peer].until(lambda: self.recorders[peer].is_up(1 - peer))  # noqa: B023
        low, there = self.links[0], self.recorders[1]
        assert low is not None
        assert low.send(1, Message(Kind.HELLO, 0, 7))
        await there.until(lambda: bool(there.messages))

    async def close(self) -> None:
        for links in self.links:
            if links is not None:
                await links.close()


@pytest.mark.parametrize("rotates", [0, 1])
@pytest.mark.parametrize("keeps", [True, False], ids=["keeps the old key", "has the new one alone"])
@pytest.mark.parametrize("hears", [True, False], ids=["the other knows", "the other does not"])
def test_while_both_keys_are_good_whoever_knows_either_is_linked(rotates: int, keeps: bool, hears: bool) -> None:
    if not keeps and not hears:
        return  # nobody could know: the test of the end of a rotation shows that

    async def scene() -> None:
        pair, new = Pair(), new_identity()
        stated = pair.public(rotates)
        pair.known[rotates].say(stated, new.public, stated)
        if hears:
            pair.known[1 - rotates].say(stated, new.public, stated)
        await pair.start(rotates, new, *([pair.swarm.identities[rotates]] if keeps else []))
        await pair.start(1 - rotates)
        await pair.linked()
        await pair.close()

    asyncio.run(scene())


@pytest.mark.parametrize("rotates", [0, 1])
def test_a_neighbour_that_learns_of_a_new_key_lets_it_in_without_a_restart_of_its_own(rotates: int) -> None:
    async def scene() -> None:
        pair, new = Pair(), new_identity()
        stated, other = pair.public(rotates), 1 - rotates
        await pair.start(0)
        await pair.start(1)
        await pair.linked()
        pair.known[rotates].say(stated, new.public)
        pair.known[other].say(stated, new.public, stated)
        await pair.start(rotates, new, pair.swarm.identities[rotates])
        await pair.recorders[other].until(
            lambda: [up for _, up, _ in pair.recorders[other].links][-2:] == [False, True]
        )
        await pair.linked()
        assert pair.links[other] is not None
        await pair.close()

    asyncio.run(scene())


@pytest.mark.parametrize("rotates", [0, 1])
def test_when_a_rotation_is_over_or_a_key_revoked_its_link_goes_and_is_not_made_again(rotates: int) -> None:
    async def scene() -> None:
        pair = Pair()
        stated, other = pair.public(rotates), 1 - rotates
        await pair.start(0)
        await pair.start(1)
        await pair.linked()
        pair.known[other].say(stated)
        seen = pair.recorders[other]
        await seen.until(lambda: not seen.is_up(rotates))
        assert seen.links[-1][2] == "its key is good no more"
        await pair.start(rotates)  # again and again
        words = "revoked" if rotates else "outside the allow list"
        await seen.until(lambda: any(words in reason for _, reason in seen.refused))
        await pair.start(other)  # a restart of whoever holds the revocation
        seen = pair.recorders[other]
        await seen.until(lambda: any(words in reason for _, reason in seen.refused))
        assert not seen.links
        await pair.close()

    asyncio.run(scene())

"""A relay that introduces its callers to others than they ask for: to themselves, or to another member."""

from __future__ import annotations

import asyncio
import itertools

import numpy as np
import pytest

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.endpoint import Endpoint
from p2pfl_me.wire.links import Links
from p2pfl_me.wire.meeting import MET
from p2pfl_me.wire.relay import PIECE, RelayServer, _End
from tests.wire.peers import QUICK, Recorder, Swarm
from tests.wire.test_relay import PROLOGUE, SECTIONS, Running, play

PEERS = 3
LIES = 6
"""Introductions to the wrong one, before it is honest."""


class Lying(RelayServer):
    """`lied` counts what it has introduced wrongly."""

    lied = 0

    async def _echo(self, end: _End) -> None:
        while data := await end.reader.read(PIECE):
            end.writer.write(data)
            await end.writer.drain()


class Mirror(Lying):
    """Each caller meets itself."""

    async def _meet(self, end: _End) -> None:
        if self.lied >= LIES:
            await super()._meet(end)
            return
        self.lied += 1
        end.say(MET)
        await self._echo(end)


class Crossed(Lying):
    """Each caller meets whoever calls next for somebody else."""

    alone: _End | None = None

    async def _meet(self, end: _End) -> None:
        if self.lied >= LIES:
            await super()._meet(end)
            return
        other, self.alone = self.alone, end
        if other is not None and other.edge != (end.edge[1], end.edge[0]) and other.edge[0] != end.edge[0]:
            self.alone = None
            self.lied += 1
            for one, two in ((end, other), (other, end)):
                one.met.set_result(two)
                one.say(MET)
        await asyncio.wait_for(asyncio.shield(end.met), 0.3)
        while data := await end.reader.read(PIECE):
            end.met.result().writer.write(data)
        end.met.result().writer.close()


@pytest.mark.thorough
@pytest.mark.parametrize("lying", [Mirror, Crossed])
def test_who_is_introduced_to_another_than_it_asked_for_links_with_nobody_and_blames_no_neighbour(
    lying: type[Lying], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.wire.test_relay.RelayServer", lying)
    monkeypatch.setattr("p2pfl_me.wire.handshake_stages.HANDSHAKE_S", 0.5)
    monkeypatch.setattr("p2pfl_me.wire.dialling.MOST_S", 0.05)
    raised: list[object] = []

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
        swarm, told = Swarm(PEERS), [Recorder() for _ in range(PEERS)]
        keys = swarm.identities
        relay = Running(*itertools.combinations(keys, 2))
        await relay.begin()
        everybody = []
        for me in range(PEERS):
            others = [
                Endpoint(other, "", keys[other].public, dialled=me < other, relays=(relay.meeting(),))
                for other in range(PEERS)
                if other != me
            ]
            everybody.append(
                Links(
                    me,
                    None,
                    keys[me],
                    others,
                    prologue=PROLOGUE,
                    sections=SECTIONS,
                    schema=swarm.schema,
                    handlers=told[me],
                    liveness=QUICK,
                )
            )
            await everybody[-1].start()
        async with asyncio.timeout(60):
            while relay.server.lied < LIES:  # type: ignore[attr-defined]
                assert not any(each.is_up(other) for each in told for other in range(PEERS))
                await asyncio.sleep(0.01)
            for me, other in itertools.permutations(range(PEERS), 2):
                await told[me].until(lambda me=me, other=other: told[me].is_up(other))  # type: ignore[misc]
        for me, other in itertools.permutations(range(PEERS), 2):
            params = np.full(swarm.schema.size, 10 * me + other, np.float32)
            assert everybody[me].send(other, Message(Kind.PUSH, 1, 0, params=params))
        for me in range(PEERS):
            await told[me].until(lambda me=me: len(told[me].messages) == PEERS - 1)  # type: ignore[misc]
            for sender, message in told[me].messages:
                assert message.params is not None and (message.params == 10 * sender + me).all()
            assert all(peer is None for peer, _ in told[me].refused), "the line's doing is nobody's fault"
            assert not any("twice" in said for _, said in told[me].refused)
        for each in everybody:
            await each.close()
        await relay.end()

    play(scene)
    assert not [each for each in raised if "Timeout" not in str(each)]

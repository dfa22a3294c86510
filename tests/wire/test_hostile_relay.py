"""A relay that does as it likes with what it passes on: no model is ever another, twice or out of order, and once it is
honest again all goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.links import Liveness
from p2pfl_me.wire.relay import PIECE, RelayServer, _End
from tests.wire.test_relay import Scene, play

Way = Callable[["Hostile", bytes], list[bytes]]
PATIENCE = 8
"""Pieces that are passed on as the relay likes; it is honest from then on."""


class Hostile(RelayServer):
    way: Way
    random: Random
    held: bytes
    left: int

    async def _pass_on(self, end: _End, other: _End) -> None:
        try:
            while data := await end.reader.read(PIECE if self.left <= 0 else 400):
                pieces = [data]
                if self.left > 0:
                    self.left -= 1
                    pieces = self.way(self, data)
                for piece in pieces:
                    if not piece:
                        return
                    other.writer.write(piece)
                await other.writer.drain()
        finally:
            other.writer.close()


def drops(relay: Hostile, data: bytes) -> list[bytes]:
    return [] if relay.random.random() < 0.5 else [data]


def repeats(relay: Hostile, data: bytes) -> list[bytes]:
    return [data, data]


def swaps(relay: Hostile, data: bytes) -> list[bytes]:
    before, relay.held = relay.held, data if not relay.held else b""
    return [data, before] if before else []


def replays(relay: Hostile, data: bytes) -> list[bytes]:
    """What was said on an earlier connection, or by the other end."""
    before, relay.held = relay.held, data
    return [before or data]


def spoils(relay: Hostile, data: bytes) -> list[bytes]:
    at = relay.random.randrange(len(data))
    return [data[:at] + bytes([data[at] ^ 1 << relay.random.randrange(8)]) + data[at + 1 :]]


def cuts(relay: Hostile, data: bytes) -> list[bytes]:
    return [data[: relay.random.randrange(1, len(data) + 1)], b""]


def floods(relay: Hostile, data: bytes) -> list[bytes]:
    return [relay.random.randbytes(1 << 16) for _ in range(20)]


def swallows(relay: Hostile, data: bytes) -> list[bytes]:
    return []


@pytest.mark.thorough
@pytest.mark.parametrize("way", [drops, repeats, swaps, replays, spoils, cuts, floods, swallows])
def test_whatever_a_relay_does_to_what_passes_it_models_come_once_whole_and_in_order(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.wire.test_relay.RelayServer", Hostile)
    monkeypatch.setattr(Hostile, "way", staticmethod(way), raising=False)
    for name, value in {"random": Random(1), "held": b"", "left": PATIENCE}.items():
        monkeypatch.setattr(Hostile, name, value, raising=False)
    monkeypatch.setattr("p2pfl_me.wire.handshake_stages.HANDSHAKE_S", 1.0)
    monkeypatch.setattr("p2pfl_me.wire.dialling.MOST_S", 0.1)
    raised: list[object] = []

    async def scene() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
        here = Scene(size=3000)
        await here.begin(Liveness(ping_s=0.05, silence_s=2.0, retry_s=0.05))
        for round in range(4):
            for me in range(2):
                here.links[me].send(1 - me, Message(Kind.PUSH, round, 0, params=np.full(3000, round, np.float32)))
        here.relay.server.left = PATIENCE  # type: ignore[attr-defined]
        async with asyncio.timeout(50):
            await here.met()
            for told in here.told:
                await told.until(lambda told=told: told.is_up(0) or told.is_up(1))  # type: ignore[misc]
            await here.passes(9)
        for told in here.told:
            rounds = [message.round for _, message in told.messages]
            assert rounds == sorted(set(rounds)) and rounds[-1] == 9
            for _, message in told.messages[:-1]:
                assert message.params is not None and (message.params == message.round).all()
        assert here.relay.server.left <= 0  # type: ignore[attr-defined]
        await here.end()

    play(scene)
    assert not raised

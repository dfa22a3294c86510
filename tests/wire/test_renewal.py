"""Fresh keys by time and by bytes: the connection is another one, and the conversation is the same."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.endpoint import Liveness
from p2pfl_me.wire.multiplexer import Multiplexer
from tests.wire.peers import QUICK, Recorder, Swarm


@pytest.mark.parametrize(
    "limits", [{"renew_s": 0.1}, {"renew_bytes": 200_000}], ids=["after so long", "after so many bytes"]
)
def test_old_connections_are_made_anew_and_nobody_hears_of_it(
    limits: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    up = Multiplexer.up

    def counted(self: Multiplexer, *told: object) -> None:
        made.append(self._me)
        up(self, *told)  # type: ignore[arg-type]

    monkeypatch.setattr(Multiplexer, "up", counted)

    async def scene() -> None:
        swarm = Swarm(2, size=10_000)
        here, there = Recorder(), Recorder()
        often = Liveness(ping_s=0.02, silence_s=30.0, retry_s=0.02, resume_s=20.0, **limits)  # type: ignore[arg-type]
        low, high = swarm.links(0, [1], here, liveness=often), swarm.links(1, [0], there, liveness=QUICK)
        await high.start()
        await low.start()
        await here.until(lambda: here.is_up(1))
        await there.until(lambda: there.is_up(0))
        models = 0
        while made.count(0) < 4:  # the first connection, and three times another
            model = np.full(10_000, models % 90, np.float32)  # of more than 100 the norm would be refused
            assert low.send(1, Message(Kind.PUSH, models, 0, model))
            assert high.send(0, Message(Kind.PUSH, models, 0, model))
            models += 1
            await there.until(lambda: len(there.messages) == models)  # noqa: B023
            await here.until(lambda: len(here.messages) == models)  # noqa: B023
        for recorder in (here, there):
            assert [message.round for _, message in recorder.messages] == list(range(models))
            assert all(float(message.params[0]) == message.round % 90 for _, message in recorder.messages)  # type: ignore[index]
            assert [up for _, up, _ in recorder.links] == [True]
            assert not recorder.refused
        await low.close()
        await high.close()

    asyncio.run(scene())

"""A process that is stopped for longer than silence may last, by a paused container or a closed lid, comes back."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire.identity import public_from_text
from p2pfl_me.wire.links import Endpoint, Links
from tests.wire.alone import SCHEMA, STOPPED
from tests.wire.peers import Recorder, Swarm

pytestmark = pytest.mark.processes


@pytest.mark.few(1)
@pytest.mark.parametrize("stopped", [0, 1], ids=["dialler", "listener"])
def test_a_peer_that_slept_reconnects_by_itself(stopped: int) -> None:
    async def scene() -> None:
        swarm, me = Swarm(2), 1 - stopped
        command = [sys.executable, "-m", "tests.wire.alone", str(stopped), swarm.addresses[stopped]]
        with subprocess.Popen(
            [*command, swarm.addresses[me]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as other:
            assert other.stdin and other.stdout
            here = Recorder()
            endpoint = Endpoint(stopped, swarm.addresses[stopped], public_from_text(other.stdout.readline()))
            links = Links(
                me, swarm.addresses[me], swarm.identities[me], [endpoint], prologue=b"p" * 32,
                sections={"training": b"1" * 32}, schema=SCHEMA, handlers=here, liveness=STOPPED,
            )  # fmt: skip
            other.stdin.write(f"{swarm.identities[me].public_text}\n")
            await links.start()
            await here.until(lambda: here.is_up(stopped))
            model = np.ones(100_000, np.float32)
            for sleep in range(2):
                links.send(stopped, Message(Kind.PUSH, sleep, 0, model))
                await here.until(lambda sleep=sleep: len(here.messages) == sleep + 1)
                os.kill(other.pid, signal.SIGSTOP)
                try:
                    links.send(stopped, Message(Kind.SKIP, sleep))  # it lies before a closed door when it wakes
                    await here.until(lambda: not here.is_up(stopped))
                finally:
                    os.kill(other.pid, signal.SIGCONT)
                await here.until(lambda: here.is_up(stopped))
                here.messages[:] = [each for each in here.messages if each[1].kind is Kind.PUSH]
            assert other.poll() is None and not here.failed
            assert {peer for peer, _ in here.refused} <= {None}
            await links.close()
            other.stdin.close()
            assert other.wait(20) == 0
            assert "refused 1" not in other.stdout.read()

    asyncio.run(scene())

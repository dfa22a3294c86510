"""What honest peers send where one neighbour's models are as large as may be: nothing that is held against them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from p2pfl_me.errors import DivergedError
from p2pfl_me.gossip.protocol import Send
from p2pfl_me.message import MAX_WEIGHT
from tests.gossip.liars import Liar
from tests.gossip.swarms import contract_of, run
from tests.gossip.test_protocols import RING, apart, idle

LARGE = 0.99 * MAX_WEIGHT


class Large(Liar):
    def say(self, now: float, send: Send) -> list[Send]:
        content = send.message.params
        if content is None:
            return [send]
        large = np.full(content.size, LARGE / np.sqrt(content.size), np.float32)
        return [Send(send.to, replace(send.message, params=large))]


@pytest.mark.parametrize(
    ("protocol", "diverge"), [("dpsgd", False), ("qg_dsgdm", True), ("gradient_tracking", True), ("overlap", False)]
)
def test_nobody_sends_what_others_refuse_because_a_neighbour_has_led_it_there(protocol: str, diverge: bool) -> None:
    """A model with its momentum, or with the step that is tracked, grew beyond what the next honest peer takes."""
    norms: list[float] = []

    class Honest(Liar):
        def say(self, now: float, send: Send) -> list[Send]:
            content = send.message.params
            if content is not None:
                norms.append(float(np.linalg.norm(content)))
            return [send]

    honest = dict.fromkeys((0, 1, 3, 4), Honest)
    contract = contract_of(RING, 5, 40, {"protocol": protocol})
    swarm = run(contract, apart(5), idle, liars={2: Large, **honest}, may_fail=True)
    assert norms and max(norms) <= MAX_WEIGHT
    assert bool(swarm.failed) == diverge and {type(each) for each in swarm.failed.values()} <= {DivergedError}

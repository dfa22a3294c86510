"""One core that is fed whatever comes, in any order, answers as approved: changes, newcomers and who hands out, too.

Nothing here is likely, and nothing may raise but that what a peer has trained is no model. Whoever changes an answer
means to, as in `test_traces.py`.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from p2pfl_me.contract import Contract
from p2pfl_me.errors import DivergedError
from p2pfl_me.gossip.cores import Start, exchanged_size
from p2pfl_me.gossip.protocol import Action, Finish, Leave, Mixed, Protocol, SetTimer, Timer, Train
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Kind, Message
from p2pfl_me.topology import plan_of
from tests.gossip.swarms import contract_of
from tests.gossip.test_protocols import ALL, RING
from tests.gossip.test_traces import require_approved
from tests.gossip.witness import Witness

COUNT, ROUNDS, SIZE, STEPS = 5, 6, 4, 150
NEIGHBOURS = (1, 4)
BEGIN = np.arange(SIZE, dtype=np.float32)
STARTS = {
    "plain": Start(BEGIN),
    "returning": Start(BEGIN, 3, Progress(trained=2, joined=1)),
    "newcomer": Start(BEGIN, 2, joins=True),
    "among newcomers": Start(BEGIN, 1, newcomers=frozenset({4}), gathers_s=20.0),
}


def contract(protocol: str, **gossip: Any) -> Contract:
    values = contract_of(RING, COUNT, ROUNDS, {"protocol": protocol, "hand_out": 0, **gossip}).model_dump(mode="json")
    members = [
        {"id": peer, "address": f"tcp://lab-{peer}.example:4000", "public_key": f"{'A' * 42}{peer}="}
        for peer in range(COUNT)
    ]
    return Contract.model_validate({**values, "peers": {"approve": 0.6, "members": members}})


class Monkey:
    """Feeds a core until it has ended: what it waits for sometimes, and anything else at any time."""

    def __init__(self, core: Protocol, random: Random, size: int) -> None:
        self._core, self._random, self._size = core, random, size
        self._now = 100.0
        self._round = 0
        self._training: Train | None = None
        self._mixed = self.over = False
        self._timers: list[SetTimer] = []

    def live(self) -> None:
        self._note(self._core.start(self._now))
        for peer in NEIGHBOURS:
            self._note(self._core.on_peer(self._now, peer, True))
        for _ in range(STEPS):
            if self.over:
                return
            self._now += self._random.expovariate(1.0)
            try:
                self._note(self._fed())
            except DivergedError:  # its own model is lost by what no wire lets in, and its host ends it
                break
        self._note(self._core.on_stop(self._now))

    def _fed(self) -> list[Action]:
        random, dice = self._random, self._random.random()
        if self._mixed and dice < 0.6:
            self._mixed = False
            return self._core.on_evaluated(self._now, random.choice((None, 1.0, 2.0)))
        if self._training and dice < 0.3:
            train, self._training = self._training, None
            return self._core.on_trained(self._now, train.params + np.float32(random.choice((-1.0, 0.5))))
        if self._timers and dice < 0.5:
            self._timers.sort(key=lambda each: each.at)
            timer = self._timers.pop(0)
            self._now = max(self._now, timer.at)
            return self._core.on_timer(self._now, timer.timer, timer.round)
        if dice < 0.51:
            return self._core.on_timer(self._now, Timer.VIEW, random.randint(2, ROUNDS + 1))
        sender = random.choice(NEIGHBOURS)
        if dice < 0.6:
            return self._core.on_peer(self._now, sender, random.random() < 0.7)
        return self._core.on_message(self._now, sender, self._said())

    def _said(self) -> Message:
        random = self._random
        kinds = [*Kind, *[Kind.OFFER, Kind.ANSWER, Kind.PUSH, Kind.HELLO, Kind.BEGUN, Kind.FINAL] * 4]
        kind, near = random.choice(kinds), (-1, 0, 0, 0, 1, 2)
        round, at = (max(0, self._round + random.choice(near)) for _ in range(2))
        if kind is Kind.LEAVE:
            at = random.choice((at, ROUNDS))
        content = None
        if kind in {Kind.OFFER, Kind.ANSWER, Kind.PUSH, Kind.FINAL} and random.random() < 0.95:
            content = np.full(self._size, random.choice((1.0, -2.0, np.nan)), np.float32)
        return Message(kind, round, at, content)

    def _note(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Train():
                    self._training, self._round = action, action.round
                case Mixed():
                    self._mixed = True
                case SetTimer():
                    self._timers.append(action)
                case Finish():
                    self.over = not action.stays_s
                case Leave():
                    self.over = True


@pytest.mark.few(4)
@pytest.mark.parametrize("protocol", ALL)
def test_a_core_answers_whatever_comes_as_approved(protocol: str, tmp_path: Path) -> None:
    lived = contract(protocol, hand_out=50.0, patience={"rounds": 2, "consensus": 0.5})
    waits = contract(protocol, alone="wait", start={"quorum": 3, "patience": 25})
    for name, start in STARTS.items():
        witness = Witness()
        for seed in range(10):
            agreed = waits if seed % 3 == 0 else lived
            core = witness.core_of(agreed, 0, plan_of(agreed), start)
            Monkey(core, Random(f"{name} {seed}"), exchanged_size(agreed.gossip, SIZE, ())).live()
        require_approved(f"{protocol} {name}, whatever comes", witness, tmp_path)

"""When a peer stops by itself, to the very round: the agreed number, or patience once its neighbourhood agrees."""

from __future__ import annotations

import numpy as np
import pytest

from p2pfl_me.gossip.kind import PROTOCOLS
from p2pfl_me.gossip.stop import Progress, StopRule, advance, stop_reason
from tests.gossip.swarms import contract_of, run

PATIENT = StopRule(10, patience=3, consensus=0.5)


@pytest.mark.parametrize(
    ("rule", "completed", "stale", "distance", "reason"),
    [
        (StopRule(10), 9, 99, 0.0, None),
        (StopRule(10), 10, 0, None, "rounds"),
        (StopRule(10), 11, 0, None, "rounds"),
        (PATIENT, 9, 2, 0.0, None),
        (PATIENT, 9, 3, 0.5, "patience"),
        (PATIENT, 9, 4, 0.1, "patience"),
        (PATIENT, 9, 3, 0.500001, None),
        (PATIENT, 9, 3, None, None),
        (PATIENT, 10, 3, 0.1, "rounds"),
        (StopRule(10, patience=0), 1, 0, 0.0, "patience"),
        (StopRule(10, patience=0), 1, 0, 0.1, None),
    ],
)
def test_the_rule(rule: StopRule, completed: int, stale: int, distance: float | None, reason: str | None) -> None:
    assert stop_reason(rule, completed, Progress(stale_rounds=stale), distance) == reason


def test_patience_counts_rounds_since_the_lowest_loss() -> None:
    progress, stale = Progress(), []
    for loss in (2.0, 1.0, 1.0, None, 1.5, 0.9):
        progress = advance(progress, loss)
        stale.append(progress.stale_rounds)
    assert stale == [0, 0, 1, 1, 2, 0]
    assert progress.best_loss == 0.9 and progress.trained == 6 and progress.alone == 0
    assert advance(progress, None, alone=True) == Progress(0.9, 0, 7, 1)
    assert advance(progress, 9.9, alone=True) == Progress(0.9, 1, 7, 1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_trains_the_agreed_number_of_rounds_and_each_once(protocol: str) -> None:
    trained: list[tuple[int, int]] = []

    def train(peer: int, round: int, params: np.ndarray) -> np.ndarray:
        trained.append((peer, round))
        return params + np.float32(1)

    swarm = run(contract_of({"kind": "ring"}, 4, 5, {"protocol": protocol}), np.zeros((4, 3), np.float32), train)
    assert sorted(trained) == [(peer, round) for peer in range(4) for round in range(5)]
    for peer in range(4):
        assert [mixed.round for mixed in swarm.mixed[peer]] == list(range(5))
        assert swarm.finished[peer].reason == "rounds" and swarm.starts[peer].progress.trained == 5

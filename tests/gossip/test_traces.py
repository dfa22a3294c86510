"""What becomes of small swarms in bad months, event by event, as approved: who mixed whom, when, with which weights.

Theorems and searches say what must never happen; what may happen either way, as who waits for how long, stands here.
Whoever changes it means to, and writes it down by `P2PME_APPROVE=1 pytest tests/gossip/test_traces.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.hand_out import Ended
from p2pfl_me.gossip.protocol import Finish, Timer
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.simulation.faults import FaultModel, draw_faults
from p2pfl_me.topology import plan_of
from tests.gossip.swarms import CALM, Swarm, contract_of, run
from tests.gossip.test_protocols import ALL, RING, apart

APPROVED = Path(__file__).parent / "approved_traces.json"
COUNT, ROUNDS = 5, 6


def month(seed: int) -> FaultModel:
    """Drawn, but for bandwidth and spoilt bits: what a message weighs is another room's."""
    drawn = draw_faults(Random(seed), COUNT, ROUNDS)
    return replace(drawn, link=replace(drawn.link, bandwidth_bps=None, corruption=0.0))


MONTHS: dict[str, tuple[dict[str, Any], dict[str, Any], FaultModel]] = {
    "calm": (RING, {}, CALM),
    "bad": ({"kind": "mesh"}, {"start": {"quorum": 4, "patience": 20}}, month(3)),
    "worse": (RING, {}, month(11)),
    "changing": ({"kind": "base", "meets": 1}, {"hand_out": 30}, month(8)),
}


def nudged(peer: int, round: int, params: Vector) -> Vector:
    return params + np.float32(0.25 * ((peer + round) % 3 - 1))


def told(swarm: Swarm) -> str:
    """Of every peer, in virtual seconds; weights to the millionth, as powers of two and their sums are."""
    found = []
    for peer in sorted(swarm.starts):
        rounds = [
            [
                mixed.round,
                sorted((other, round(share, 6)) for other, share in mixed.weights.items()),
                str(mixed.missing),
            ]
            for mixed in swarm.mixed[peer]
        ]
        times = [round(each.get(peer, -1.0), 6) for each in (swarm.began, swarm.ended)]
        found.append([peer, rounds, times, sorted(swarm.missing.get(peer, ())), str(swarm.finished.get(peer))])
    return json.dumps(found)


@pytest.mark.parametrize("protocol", ALL)
def test_bad_months_pass_as_approved(protocol: str) -> None:
    approved: dict[str, str] = json.loads(APPROVED.read_text()) if APPROVED.exists() else {}
    for name, (topology, gossip, faults) in MONTHS.items():
        contract = contract_of(topology, COUNT, ROUNDS, {"protocol": protocol, **gossip}, seed=5)
        swarm = run(contract, apart(COUNT), nudged, faults)
        values = np.round(swarm.params, 4) + 0.0
        found = hashlib.sha256((told(swarm) + str(values.tolist())).encode()).hexdigest()[:16]
        if os.environ.get("P2PME_APPROVE"):
            approved[f"{protocol} {name}"] = found
            APPROVED.write_text(json.dumps(approved, indent=0, sort_keys=True) + "\n")
        assert found == approved.get(f"{protocol} {name}"), (name, told(swarm))


def test_who_has_done_all_rounds_says_so_and_nothing_else() -> None:
    progress = Progress(trained=7, joined=1, alone=2)
    done = Ended(progress, 10)
    assert done.start(0.0) == [Finish("rounds", 7, skipped=2, alone=2)] and done.waiting_for == frozenset()
    assert done.on_trained(0.0, np.zeros(1, np.float32)) == done.on_peer(0.0, 1, True) == []


@pytest.mark.parametrize("protocol", ALL)
def test_an_alarm_of_loneliness_ends_nobody_who_is_not_waiting_alone(protocol: str) -> None:
    contract = contract_of(RING, COUNT, ROUNDS, {"protocol": protocol, "alone": "wait"})
    core = core_of(contract, 0, plan_of(contract), Start(apart(COUNT)[0]))
    core.start(0.0)
    assert core.on_timer(1.0, Timer.ALONE, 0) == [], "while others are waited for at the start"
    for peer in (1, 4):
        core.on_peer(2.0, peer, True)
        core.on_message(2.0, peer, Message(Kind.HELLO, 0, 0))
    core.on_message(2.0, 1, Message(Kind.BEGUN, 0))
    for round in (0, 1):
        assert not [each for each in core.on_timer(3.0, Timer.ALONE, round) if isinstance(each, Finish)]


@pytest.mark.parametrize("protocol", ALL)
def test_rounds_that_were_behind_the_model_that_one_joined_with_are_not_skipped_ones(protocol: str) -> None:
    contract = contract_of(RING, COUNT, ROUNDS, {"protocol": protocol})
    begin = Start(apart(COUNT)[0], 5, Progress(trained=2, joined=1, alone=1))
    core = core_of(contract, 0, plan_of(contract), begin)
    core.start(0.0)
    (finish,) = [each for each in core.on_stop(1.0) if isinstance(each, Finish)]
    assert (finish.reason, finish.rounds, finish.skipped, finish.alone) == ("stopped", 2, 2, 1)
    assert core.on_stop(2.0) == []

"""A round trains while its models travel: in the longer of the two times, and nothing of anybody's steps is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p2pfl_me.contract import load_contract
from p2pfl_me.errors import P2pmeError
from p2pfl_me.gossip.protocol import NOTHING
from p2pfl_me.gossip.protocols.overlap import Beside
from p2pfl_me.message import Vector
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality
from p2pfl_me.topology import schedule_of
from tests.gossip.swarms import contract_of, run
from tests.small import write_contract

RING = {"kind": "ring"}
COUNT, SIZE, ROUNDS = 6, 400, 6


def apart(size: int = SIZE) -> Vector:
    return np.random.default_rng(0).normal(size=(COUNT, size)).astype(np.float32)


def step(peer: int, round: int, params: Vector) -> Vector:
    rng = np.random.default_rng(1000 * peer + round)
    return params + rng.normal(scale=0.1, size=params.size).astype(np.float32)


@pytest.mark.parametrize("eager", [0.0, 0.3, 1.0])
def test_a_round_is_what_is_stated(eager: float) -> None:
    """By hand in float64: Y(t) = X(t) + (1 - eager) S(t-1), X(t+1) = W Y(t) + eager S(t); the last as D-PSGD."""
    contract = contract_of(RING, COUNT, ROUNDS, {"protocol": {"kind": "overlap", "eager": eager}})
    weights = schedule_of(contract)
    w = np.zeros((COUNT, COUNT))
    for peer in range(COUNT):
        for other, share in weights.weights(peer, 0).items():
            w[peer, other] = share
        w[peer, peer] = 1 - w[peer].sum()
    x = apart().astype(np.float64)
    waiting = np.zeros_like(x)
    total = x.mean(axis=0)
    for round in range(ROUNDS):
        steps = np.stack([step(peer, round, np.zeros(SIZE, np.float32)) for peer in range(COUNT)]).astype(np.float64)
        total = total + steps.mean(axis=0)
        last = round == ROUNDS - 1
        x = w @ (x + waiting + (steps if last else 0)) + (0 if last else eager) * steps
        waiting = np.zeros_like(x) if last else (1 - eager) * steps
        np.testing.assert_allclose((x + waiting).mean(axis=0), total, atol=1e-9)
    swarm = run(contract, apart(), step)
    np.testing.assert_allclose(swarm.params, x, atol=1e-4)
    assert not any(start.memory for start in swarm.starts.values()), "the last round leaves no step behind"


def test_it_takes_the_longer_of_training_and_transfer_and_d_psgd_both() -> None:
    size, train_s = 50_000, 3.0
    link = LinkQuality(latency_s=(0.0, 0.0), bandwidth_bps=2e6)  # two models of 200 kB: 1.6 s out, and as much back
    seconds = {}
    for protocol in ("dpsgd", "overlap"):
        contract = contract_of(RING, COUNT, ROUNDS, {"protocol": protocol})
        swarm = run(contract, apart(size), step, FaultModel(link, compute_s=(train_s, train_s)))
        assert all(len(mixed.weights) == 2 for each in swarm.mixed.values() for mixed in each)
        seconds[protocol] = max(swarm.ended.values()) - min(swarm.began.values())
    transfer_s = seconds["dpsgd"] / ROUNDS - train_s
    assert 0.8 < transfer_s < train_s
    # All but the last round hide the transfer.
    assert seconds["overlap"] == pytest.approx(ROUNDS * train_s + transfer_s, rel=0.05)


@pytest.mark.parametrize("compression", [None, "chunked"])
def test_a_peer_that_comes_back_goes_on_with_the_steps_that_waited(compression: str | None) -> None:
    contract = contract_of(RING, COUNT, 8, {"protocol": "overlap", "compression": compression})
    faults = FaultModel(compute_s=(1.0, 1.0), crashes=(Crash(4.6, 2, back=4.8),))
    begin = np.repeat(apart()[:1], COUNT, axis=0)
    swarm = run(contract, begin, step, faults)
    assert {finish.reason for finish in swarm.finished.values()} == {"rounds"}
    assert [mixed.round for mixed in swarm.mixed[2]] == sorted({mixed.round for mixed in swarm.mixed[2]})
    kept = next(mixed for mixed in swarm.mixed[2] if mixed.round == 3)
    before, after = Beside(7, 0.3, kept.memory), Beside(7, 0.3, NOTHING)
    sent = before.outgoing(4, kept.params, kept.params)
    np.testing.assert_array_equal(sent, kept.params + kept.memory["waiting"])
    assert (sent != after.outgoing(4, kept.params, kept.params)).any()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"personal": True}, "personal"),
        ({"aggregation": "krum"}, "aggregation krum"),
        ({"protocol": {"kind": "overlap", "eager": 1.5}}, "eager"),
        ({"protocol": {"kind": "overlap", "eager": -0.1}}, "eager"),
    ],
)
def test_what_does_not_go_with_it_is_refused(more: dict[str, object], words: str) -> None:
    with pytest.raises((P2pmeError, ValueError), match=words):
        contract_of(RING, COUNT, 3, {"protocol": "overlap", **more})


def test_noise_that_is_laid_out_for_what_a_round_trained_is_refused(tmp_path: Path) -> None:
    for noise in ("before_sharing", "decor"):
        sections = {"gossip": "{protocol: overlap}", "privacy": f"{{noise: {noise}, budget: {{epsilon: 8}}}}"}
        with pytest.raises(P2pmeError, match=f"noise {noise} is laid out for the exchange"):
            load_contract(write_contract(tmp_path / "overlap.yaml", 4, **sections))

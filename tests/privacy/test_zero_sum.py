"""Noise of its own for every neighbour: what each sees, what all together know, and that the average stays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest

from p2pfl_me.contract import Contract
from p2pfl_me.contract.privacy import require_recordable
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.zero_sum import ZeroSumEdges
from p2pfl_me.message import Vector
from p2pfl_me.privacy.zero_sum_noise import ZeroSumNoise
from p2pfl_me.simulation.faults import FaultModel, LinkQuality
from p2pfl_me.simulation.lockstep_fit import require_lockstep
from p2pfl_me.simulation.promises import broken_promises
from p2pfl_me.simulation.trials import Trial, draw_trial, play
from p2pfl_me.topology import plan_of

SIZE = 40_000
ROWS: tuple[Mapping[int, float], ...] = (
    {1: 1 / 3, 2: 1 / 3},
    {1: 0.5},
    {1: 0.1, 4: 0.6, 7: 0.05, 8: 0.25},
    {3: 0.9, 5: 0.6},  # an own weight below 0, as the best constant weights have on a star
)


def secret(*labels: object) -> bytes:
    return hashlib.sha256(repr(labels).encode()).digest()


def contract(topology: str = "mesh", count: int = 6, *, deviation: float = 0.5, **sections: Any) -> Contract:
    return Contract.model_validate(
        {
            "version": 1,
            "name": "zero",
            "topology": {"kind": topology},
            "peers": {"loopback": {"count": count}},
            "training": {"rounds": 3},
            "gossip": {"deadline": {"min_s": 2.0, "max_s": 30.0}},
            "privacy": {"exchange": {"kind": "zero_sum", "deviation": deviation}},
        }
        | sections
    )


@pytest.mark.parametrize("row", ROWS)
def test_no_neighbour_sees_less_noise_than_was_asked_for_and_what_stays_at_home_takes_all_back(
    row: Mapping[int, float],
) -> None:
    own = np.linspace(-1, 1, SIZE, dtype=np.float32)
    seen = ZeroSumNoise(0, secret("life"), 0.3).over(4, own, row)
    assert seen.keys() == row.keys()
    over = {peer: (model - own).astype(np.float64) for peer, model in seen.items()}
    assert min(noise.std() for noise in over.values()) == pytest.approx(0.3, rel=0.03)
    home = -sum(row[peer] * noise for peer, noise in over.items())
    weight = max(1 - sum(row.values()), *row.values())
    assert 0 < home.std() < 2 * 0.3 * weight, "of the noise of all, no more than one share stays"
    again = ZeroSumNoise(0, secret("life"), 0.3).over(4, own, row)
    assert all(np.array_equal(again[peer], seen[peer]) for peer in row), "asked twice, it says the same"


def test_all_neighbours_together_do_not_open_a_model() -> None:
    """The best that all of them can make of what they have, knowing the weights, still lies a share of noise off."""
    row, own = ROWS[0], np.zeros(SIZE, np.float32)
    seen = ZeroSumNoise(0, secret("life"), 0.3).over(0, own, row)
    best = sum(model.astype(np.float64) for model in seen.values()) / len(seen)
    assert best.std() > 0.3 / 3


def test_noise_is_new_in_every_round_life_and_for_every_peer() -> None:
    own = np.zeros(1000, np.float32)
    drawn = [
        ZeroSumNoise(me, secret(life), 1.0).over(round, own, ROWS[0])[peer]
        for me, life, round, peer in product((0, 3), "ab", (0, 1), (1, 2))
    ]
    together = np.abs(np.corrcoef(drawn))
    own_pairs = np.kron(np.eye(8), np.ones((2, 2))).astype(bool)  # two of one round are: their sum is bounded
    assert together[~own_pairs].max() < 0.2


@pytest.mark.parametrize("lost", [frozenset(), frozenset({(0, 1)}), frozenset({(0, 1), (1, 2), (0, 2)})])
def test_the_average_stays_to_the_rounding_of_floats_whatever_is_lost(lost: frozenset[tuple[int, int]]) -> None:
    """Three peers, all edges but the lost ones: beside what the same floats round without noise."""
    rng, deviation = np.random.default_rng(1), 10.0
    models = rng.normal(size=(3, SIZE)).astype(np.float32)
    rows = [{other: 1 / 3 for other in range(3) if other != peer} for peer in range(3)]
    edges = [
        ZeroSumEdges(ZeroSumNoise(peer, secret(peer), deviation), lambda round, row=row: row)
        for peer, row in enumerate(rows)
    ]
    sent = [{other: edges[peer].pack(other, 0, models[peer]) for other in rows[peer]} for peer in range(3)]
    after: list[Vector] = []
    for peer in range(3):
        got = {other: sent[other][peer] for other in rows[peer] if (min(peer, other), max(peer, other)) not in lost}
        after.append(edges[peer].average(models[peer], rows[peer], 0, sent[peer], got).params)
    moved = np.abs(np.mean(models, 0, dtype=np.float64) - np.mean(after, 0, dtype=np.float64)).max()
    assert moved <= 4 * 2.0**-24 * 8 * deviation, "a few roundings of numbers as large as the noise"
    if len(lost) == 1:  # what was meant for the one who never got it stays here
        assert np.std(after[0] - models[0]) > 2 * np.std(after[2] - models.mean(0)) / 3
    if len(lost) == 3:
        assert np.array_equal(after, models), "nothing exchanged, nothing laid over"


@pytest.mark.parametrize("topology", ["mesh", "star", "ring"])
def test_every_peer_ends_where_the_average_without_noise_is(topology: str) -> None:
    """The swarm's own trainings do not depend on the models, so the average of all is the same in both runs."""

    def ended(exchange: Mapping[str, Any]) -> np.ndarray[Any, Any]:
        agreed = contract(topology, privacy={"exchange": exchange})
        return np.array([s.params for _, s in sorted(play(Trial(1, agreed, FaultModel()))[1].starts.items())])

    plain, noised = ended({"kind": "plain"}), ended({"kind": "zero_sum", "deviation": 0.5})
    assert np.abs(plain.mean(0) - noised.mean(0)).max() < 2e-5
    assert np.abs(plain - noised).max() > 0.05, "and there was noise"


@pytest.mark.thorough
def test_equal_seeds_give_equal_bits_and_lost_messages_end_with_a_kept_average() -> None:
    lossy = FaultModel(link=LinkQuality(loss=0.1))
    trial = Trial(3, contract(count=7), lossy)
    first, again = play(trial)[1].bits(), play(trial)[1].bits()
    assert first == again
    for seed in range(12):
        assert not broken_promises(draw_trial(seed, "dpsgd+zero_sum")), seed


def test_a_core_without_keys_lockstep_and_a_recording_refuse_it_by_name() -> None:
    agreed = contract()
    with pytest.raises(ContractError, match="zero_sum hides models by keys"):
        core_of(agreed, 0, plan_of(agreed), Start(np.zeros(8, np.float32)))
    with pytest.raises(ContractError, match="zero_sum needs keys and messages"):
        require_lockstep(agreed)
    with pytest.raises(ContractError, match="zero_sum cannot be recorded"):
        require_recordable(agreed)


@pytest.mark.parametrize(
    ("section", "value", "named"),
    [
        ("gossip", {"protocol": "gradient_tracking"}, "gradient_tracking"),
        ("gossip", {"aggregation": "median"}, "median"),
        ("gossip", {"compression": "int8"}, "int8"),
        ("gossip", {"hand_out": 5}, "hand_out"),
        ("gossip", {"patience": {"rounds": 3}}, "patience"),
        ("peers", {"loopback": {"count": 6}, "widths": {1: 0.5}}, "widths"),
        ("model", {"backbone": {"kind": "ststnet"}, "label_map": "megc2019", "input_size": 28}, "normalises"),
    ],
)
def test_what_the_noise_would_spoil_is_refused(section: str, value: Mapping[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        contract(**{section: value})

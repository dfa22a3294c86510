"""The lockstep engine is the peers' own path, bit for bit, whatever the schedule and the number of workers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.aggregation import mix
from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError, DataError, WeightsError
from p2pfl_me.gossip.kind import PROTOCOLS
from p2pfl_me.learning.metrics import confusion_matrix
from p2pfl_me.learning.trainer import FeatureTrainer, Part, Samples
from p2pfl_me.message import Vector
from p2pfl_me.simulation import mixing_tiles
from p2pfl_me.simulation.lockstep_rounds import Lockstep, require_memory_for
from p2pfl_me.simulation.mixing_tiles import Spread, mix_tile, rows_of, tiles_of, total
from p2pfl_me.topology import CompleteSchedule, Schedule, StaticSchedule, build_graph, mixing_matrix, schedule_of
from p2pfl_me.topology.graphs.base import base_schedule
from p2pfl_me.topology.graphs.epidemic import epidemic_schedule
from p2pfl_me.topology.graphs.ring import Ring
from p2pfl_me.topology.graphs.star import Star

SIZES = (5, 40, 33, 1, 17, 64)
PEERS = len(SIZES)
SCHEDULES = {
    "ring": StaticSchedule(build_graph(Ring(kind="ring"), PEERS)),
    "star": StaticSchedule(build_graph(Star(kind="star"), PEERS)),
    "base": base_schedule(PEERS, 1),
    "epidemic": epidemic_schedule(PEERS, 3, 5),
}


def contract(**training: object) -> Contract:
    text = f"version: 1\nname: t\ntopology: {{kind: ring}}\npeers:\n  loopback: {{count: {PEERS}}}\n"
    return contract_from_yaml(text, overrides=[f"training.{key}={value}" for key, value in training.items()])


def parts() -> tuple[list[Samples], Part]:
    """Shards of unequal size in one bank, in an order of their own; and a common test part."""
    random = np.random.default_rng(1)
    bank = random.normal(size=(sum(SIZES) + 30, 2048)).astype(np.float32)
    labels = random.integers(0, 7, len(bank))
    rows = random.permutation(len(bank)).astype(np.int64)
    cuts = np.split(rows, np.cumsum(SIZES))
    made = [Part(bank, each, labels[each], np.arange(len(each))) for each in cuts]
    return [Samples(each) for each in made[:-1]], made[-1]


def mix_all(models: torch.Tensor, schedule: Schedule, round: int, average: torch.Tensor) -> Spread:
    rows = rows_of(schedule, round)
    return total(mix_tile(models[:, tile], rows, average[tile]) for tile in tiles_of(*models.shape))


def start(agreed: Contract) -> Vector:
    random = np.random.default_rng(2)
    return (0.02 * random.normal(size=agreed.model.layout.size)).astype(np.float32)


def one_by_one(agreed: Contract, schedule: Schedule, samples: list[Samples], rounds: int) -> list[Vector]:
    trainers = [FeatureTrainer(agreed, peer, each, torch.device("cpu")) for peer, each in enumerate(samples)]
    models = [start(agreed)] * len(samples)
    for round in range(rounds):
        trained = [trainer.train(model, round).params for trainer, model in zip(trainers, models, strict=True)]
        models = []
        for peer, own in enumerate(trained):
            row = schedule.weights(peer, round)
            models.append(mix(peer, own, row, {other: trained[other] for other in row}).params)
    return models


@pytest.mark.few(1)
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_rounds_have_the_bits_of_peers_that_train_and_mix_one_by_one(name: str, weights: str) -> None:
    agreed, (samples, test) = contract(local_epochs=2, class_weights=weights), parts()
    engine = Lockstep(agreed, SCHEDULES[name], samples, start=start(agreed), test=test)
    results = [engine.step(round) for round in range(3)]
    expected = one_by_one(agreed, SCHEDULES[name], samples, 3)
    np.testing.assert_array_equal(engine.params, np.stack(expected))
    assert [each.sent for each in results] == [2 * len(SCHEDULES[name].edges(round)) for round in range(3)]


@pytest.mark.parametrize("kept", [0, 2])
def test_peers_whose_trainers_are_not_kept_train_alike(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    agreed, (samples, test) = contract(local_epochs=1, class_weights="balanced"), parts()
    monkeypatch.setattr("p2pfl_me.simulation.lockstep_rounds.KEPT", kept)
    engine = Lockstep(agreed, SCHEDULES["epidemic"], samples, start=start(agreed), test=test)
    for round in range(3):
        engine.step(round)
    np.testing.assert_array_equal(engine.params, np.stack(one_by_one(agreed, SCHEDULES["epidemic"], samples, 3)))


@pytest.mark.few(1)
@pytest.mark.parametrize("protocol", ["dpsgd", "gradient_tracking"])
def test_the_number_of_workers_changes_no_bit(protocol: str) -> None:
    agreed, (samples, test) = contract(local_epochs=1), parts()
    agreed = agreed.model_copy(update={"gossip": agreed.gossip.model_copy(update={"protocol": PROTOCOLS.of(protocol)})})
    found = []
    for workers in (1, 3):
        begun = {"start": start(agreed), "test": test, "workers": workers}
        with Lockstep(agreed, SCHEDULES["ring"], samples, **begun) as engine:
            found.append(([engine.step(round) for round in range(2)], engine.params, engine.average()))
    (ones, params, average), (threes, others, their_average) = found
    np.testing.assert_array_equal(params, others)
    np.testing.assert_array_equal(average, their_average)
    for one, three in zip(ones, threes, strict=True):
        assert one.scores is not None and three.scores is not None
        np.testing.assert_array_equal(one.training.losses, three.training.losses)
        assert (one.consensus_before, one.consensus_after) == (three.consensus_before, three.consensus_after)
        for mine, theirs in zip(one.scores, three.scores, strict=True):
            np.testing.assert_array_equal(mine.confusion, theirs.confusion)


def test_training_that_diverges_in_a_worker_is_told_here() -> None:
    agreed, (samples, _) = contract(local_epochs=1, learning_rate=1e38), parts()
    with (
        Lockstep(agreed, SCHEDULES["ring"], samples, start=start(agreed), workers=2) as engine,
        pytest.raises(WeightsError, match="diverged in round 1"),
    ):
        engine.step(0)


def test_scores_are_those_of_each_model_and_of_the_average() -> None:
    agreed, (samples, test) = contract(local_epochs=1), parts()
    engine = Lockstep(agreed, SCHEDULES["ring"], samples, start=start(agreed), test=test)
    result = engine.step(0)
    assert result.scores is not None and result.average_score is not None
    layout = agreed.model.layout

    def scored(params: Vector) -> object:
        p = layout.views(params)
        hidden = np.maximum(test.bank[test.rows] @ p["dense1.weight"].T + p["dense1.bias"], 0)
        logits = hidden @ p["dense2.weight"].T + p["dense2.bias"]
        return confusion_matrix(test.labels, logits.argmax(1), 7)

    for peer in range(PEERS):
        np.testing.assert_array_equal(result.scores[peer].confusion, scored(engine.params[peer]))
    np.testing.assert_array_equal(result.average_score.confusion, scored(engine.params.mean(axis=0)))
    assert engine.step(1, evaluate=False).scores is None


@settings(max_examples=40)
@given(st.integers(2, 30), st.integers(1, 70), st.integers(1, 4), st.integers(0, 6), st.integers(1, 500))
def test_mixing_all_is_the_mixing_matrix(count: int, size: int, meets: int, round: int, tile: int) -> None:
    schedule = base_schedule(count, meets)
    models = np.random.default_rng(count * size).normal(size=(count, size)).astype(np.float32)
    mixed, average = torch.from_numpy(models.copy()), torch.empty(size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixing_tiles, "TILE", tile)
        spread = mix_all(mixed, schedule, round, average)
    exact = mixing_matrix(schedule, round) @ models.astype(np.float64)
    np.testing.assert_allclose(mixed.numpy(), exact, atol=1e-5)
    np.testing.assert_allclose(average.numpy(), exact.mean(0), atol=1e-5)
    for found, those in ((spread.before, models.astype(np.float64)), (spread.after, exact)):
        assert found == pytest.approx(((those - those.mean(0)) ** 2).sum(), rel=1e-3, abs=1e-6)


def test_equal_models_are_at_distance_zero() -> None:
    models = torch.full((12, 40), 0.1)
    spread = mix_all(models, base_schedule(12, 1), 0, torch.empty(40))
    assert spread.before == 0


def test_the_links_of_thousands_who_all_meet_are_counted_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    everyone, ring = CompleteSchedule(10_000), StaticSchedule(build_graph(Ring(kind="ring"), 10_000))
    size = contract().model.layout.size
    monkeypatch.setattr("p2pfl_me.machine.available_bytes", lambda: 10_000 * 4 * size + 2_000_000_000)
    require_memory_for(contract(), ring, 1)
    with pytest.raises(ContractError, match="peers or fewer"):
        require_memory_for(contract(), everyone, 1)


def test_memory_is_asked_for_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    agreed, (samples, _) = contract(), parts()
    monkeypatch.setattr("p2pfl_me.machine.available_bytes", lambda: 1_000_000)
    with pytest.raises(ContractError, match="GB are free"):
        Lockstep(agreed, SCHEDULES["ring"], samples, start=start(agreed))


def test_peers_without_samples_and_a_foreign_start_are_refused() -> None:
    agreed, (samples, _) = contract(), parts()
    with pytest.raises(DataError, match="5 peers have samples"):
        Lockstep(agreed, schedule_of(agreed), samples[:-1], start=start(agreed))
    with pytest.raises(DataError, match="shape"):
        Lockstep(agreed, schedule_of(agreed), samples, start=start(agreed)[:-1])

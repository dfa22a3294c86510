"""Lockstep by products over models is lockstep but for rounding: the same draws, steps, edges and scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError, WeightsError
from p2pfl_me.learning.metrics import people
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.stacked import trainer as stacked
from p2pfl_me.learning.stacked.draws import Draws
from p2pfl_me.learning.trainer import Part, Samples
from p2pfl_me.simulation.lockstep_device import DeviceLockstep
from p2pfl_me.simulation.lockstep_rounds import Lockstep
from p2pfl_me.topology.graphs.epidemic import epidemic_schedule

CPU = torch.device("cpu")
ROUNDING = 2e-5
"""By which values may differ after three rounds, of their scale: where a gradient is next to nothing, Adam's first
steps are as long as any, and their direction is what rounding made of it. Few values are in that place."""
FAR = 0.01
"""The share of them."""
LABS = ("lab 0", "lab 1", "lab 2")


def contract(backbone: str, **changed: object) -> Contract:
    classes = "{classes: [a, b, c, d, e, f, g]}"
    if backbone == "ststnet":
        classes = "{backbone: ststnet, classes: [negative, positive, surprise], preprocess: {}}"
    text = f"version: 1\nname: t\ntopology: {{kind: ring}}\npeers:\n  loopback: {{count: 6}}\nmodel: {classes}\n"
    settled = {"training.local_epochs": 2, "training.batch_size": 16, **changed}
    return contract_from_yaml(text, overrides=[f"{key}={value}" for key, value in settled.items()])


def dealt(agreed: Contract, sizes: tuple[int, ...], *, variants: bool = False) -> tuple[list[Samples], Part]:
    """Shards of these sizes, and a test part with two samples of some clips."""
    random = np.random.default_rng(1)
    count = sum(sizes) + 30
    bank = random.normal(size=(count, agreed.model.input_width)).astype(np.float32)
    labels = random.integers(0, len(agreed.model.classes), count)
    cuts = np.split(random.permutation(count), np.cumsum(sizes))
    made = [
        Part(bank, own, labels[own], np.arange(len(own)), np.stack([own, own[::-1]], 1) if variants else None)
        for own in cuts
    ]
    held = cuts[-1]
    clips = np.arange(len(held)) // 2
    labs = people([(f"lab {number % 3}", str(number % 6)) for number in range(clips[-1] + 1)])
    return [Samples(each) for each in made[:-1]], Part(bank, held, labels[held[clips * 2]], clips, people=labs)


def both(agreed: Contract, sizes: tuple[int, ...], rounds: int, *, variants: bool = False) -> tuple[Lockstep, Lockstep]:
    samples, test = dealt(agreed, sizes, variants=variants)
    start = initial_params(agreed, cache=Path())
    schedule = epidemic_schedule(len(sizes), 3, 5)
    one = Lockstep(agreed, schedule, samples, start=start, test=test)
    other = DeviceLockstep(agreed, schedule, samples, start=start, test=test, device=CPU)
    for round in range(rounds):
        mine, theirs = one.step(round), other.step(round)
        np.testing.assert_array_equal(mine.training.steps, theirs.training.steps)
        np.testing.assert_allclose(mine.training.losses, theirs.training.losses, rtol=1e-3)
        assert theirs.consensus_after == pytest.approx(mine.consensus_after, rel=1e-3)
        assert mine.scores is not None and theirs.scores is not None
        for own, its in zip(mine.scores, theirs.scores, strict=True):
            assert its.loss == pytest.approx(own.loss, rel=1e-3)
            assert own.confusion.sum() == its.confusion.sum()
            assert np.abs(own.confusion - its.confusion).sum() <= 2  # a clip between two classes may fall to either
            for each in (own, its):
                np.testing.assert_array_equal(sum(each.by_dataset.values()), each.confusion)
            assert [len(each) for each in own.by_subject.values()] == [2] * 3
            assert {name: int(each.sum()) for name, each in own.by_dataset.items()} == dict.fromkeys(LABS, 5)
            assert all(np.abs(each - its.by_dataset[name]).sum() <= 2 for name, each in own.by_dataset.items())
    other.fetch()
    return one, other


@pytest.mark.few(1)
@pytest.mark.parametrize("backbone", ["vgg16", "ststnet"])
@pytest.mark.parametrize("sizes", [(5, 40, 33, 1, 17, 64), (16,) * 6, (9,) * 6])
def test_stacked_peers_are_peers_in_lockstep_but_for_rounding(backbone: str, sizes: tuple[int, ...]) -> None:
    one, other = both(contract(backbone), sizes, 3)
    apart = np.abs(one.params - other.params)
    assert (apart > ROUNDING).mean() < FAR
    # And what the rounds did to them is far more than that.
    assert np.abs(one.params - initial_params(contract(backbone), cache=Path())).mean() > 100 * apart.mean()


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "changed",
    [
        {"training.class_weights": "balanced"},
        {"training.label_smoothing": 0.1},
        {"training.label_smoothing": 0.1, "training.class_weights": "balanced"},
        {"training.loss": "{kind: focal}", "training.class_weights": "balanced"},
        {"gossip.protocol": "qg_dsgdm"},
        {"gossip.aggregation": "{kind: trimmed_mean}"},
        {"gossip.personal": "last_layer"},
        {"gossip.compression": "fragments"},
        {"privacy.exchange": "submodels"},
    ],
)
def test_every_loss_protocol_and_rule_goes_with_it(changed: dict[str, object]) -> None:
    one, other = both(contract("ststnet", **changed), (5, 20, 33, 1, 17, 16), 2)
    assert (np.abs(one.params - other.params) > ROUNDING).mean() < FAR


def test_variants_are_those_that_peers_draw() -> None:
    one, other = both(contract("ststnet"), (5, 20, 33, 1, 17, 16), 2, variants=True)
    assert (np.abs(one.params - other.params) > ROUNDING).mean() < FAR


@pytest.mark.thorough
def test_chunks_and_threads_change_nothing_but_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    agreed = contract("vgg16")
    _, whole = both(agreed, (5, 40, 33, 1, 17, 64), 1)
    monkeypatch.setitem(stacked.ROOM, "cpu", 1)  # a chunk for each
    monkeypatch.setattr("p2pfl_me.learning.stacked.draws.THREADED", 0)
    monkeypatch.setattr(stacked, "cores", lambda: 2)
    _, apart = both(agreed, (5, 40, 33, 1, 17, 64), 1)
    assert (np.abs(whole.params - apart.params) > ROUNDING).mean() < FAR


@settings(max_examples=25)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 16), st.integers(0, 3))
def test_draws_are_those_of_each_generator(sizes: list[int], batch: int, variants: int) -> None:
    def words_of(size: int) -> int:
        return 3 * size

    draws = Draws(range(7, 7 + len(sizes)), sizes, batch, words_of, variants, CPU, None)
    epochs = [draws.epoch() for _ in range(2)]
    for place, size in enumerate(sizes):
        random = torch.Generator().manual_seed(7 + place)
        for epoch in epochs:
            assert epoch.order[place, :size].tolist() == torch.randperm(size, generator=random).tolist()
            if variants:
                assert epoch.variant is not None
                expected = torch.randint(variants, (size,), generator=random)
                assert epoch.variant[place, :size].tolist() == expected.tolist()
            for step, begin in enumerate(range(0, size, batch)):
                words = torch.empty(words_of(min(batch, size - begin)), dtype=torch.int64)
                words.random_(-(2**63), None, generator=random)
                found = epoch.words[place, step * words_of(batch) :][: len(words)]
                assert found.tolist() == words.tolist()


def test_training_that_diverges_names_the_peer() -> None:
    agreed = contract("ststnet", **{"training.learning_rate": 1e38})
    samples, _ = dealt(agreed, (5, 20))
    engine = DeviceLockstep(
        agreed, epidemic_schedule(2, 1, 0), samples, start=initial_params(agreed, cache=Path()), device=CPU
    )
    with pytest.raises(WeightsError, match="diverged in round 1") as found:
        engine.step(0)
    assert "peer 0" in str(found.value)


def test_a_network_without_a_stacked_step_is_refused_in_words() -> None:
    text = "version: 1\nname: t\ntopology: {kind: ring}\npeers:\n  loopback: {count: 6}\n"
    agreed = contract_from_yaml(text + "model: {backbone: off_apexnet, classes: [a, b, c], preprocess: {}}\n")
    samples, _ = dealt(agreed, (5, 20))
    start = initial_params(agreed, cache=Path())
    with pytest.raises(ContractError, match="side by side"):
        DeviceLockstep(agreed, epidemic_schedule(2, 1, 0), samples, start=start, device=CPU)

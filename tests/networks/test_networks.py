"""Every network in the registry: its layout is its module's, its step is autograd's, its start is the seed's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.learning.losses import CrossEntropy
from p2pfl_me.learning.module import ModuleStep
from p2pfl_me.learning.network import assemble, initial_params
from p2pfl_me.learning.steps import make_step, whole_module
from p2pfl_me.learning.trainer import Part, Samples, make_trainer
from p2pfl_me.networks import NETWORKS, Group, Whole
from p2pfl_me.widths import held

CPU = torch.device("cpu")
BASE = "version: 1\nname: t\ntopology: {kind: ring}\npeers:\n  loopback: {count: 3}\n"
WHOLE = [name for name, kind in NETWORKS.items() if issubclass(kind, Whole) and name != "own"]
VARIED = [*WHOLE, "{kind: ststnet, normalisation: group}"]


def of(network: str, *more: str) -> Contract:
    return contract_from_yaml(BASE, overrides=[f"model.backbone={network}", "model.classes=[a, b, c]", *more])


def drawn(contract: Contract, count: int, seed: int = 0) -> Part:
    random = np.random.default_rng(seed)
    bank = random.normal(size=(count, contract.model.input_width)).astype(np.float32)
    return Part(bank, np.arange(count), random.integers(0, 3, count), np.arange(count))


def test_ststnet_is_the_papers() -> None:
    contract = of("ststnet")
    layout, module = contract.model.layout, whole_module(contract.model, 0.5)
    assert sum(each.numel() for each in module.parameters()) == 1_683
    assert layout.size == 1_683 + 2 * 16, "and two running statistics a channel"
    assert contract.model.input_size == 28
    assert 4 * layout.size < 7_000, "bytes that travel"


@pytest.mark.parametrize("network", VARIED)
def test_the_layout_is_the_modules(network: str) -> None:
    contract = of(network)
    module = whole_module(contract.model, 0.0)
    state = {name: tuple(value.shape) for name, value in module.state_dict().items() if value.is_floating_point()}
    assert dict(contract.model.layout.shapes) == state
    assert Group.LAST_LAYER in contract.model.layout.groups, "what gives the classes may stay at home"


@pytest.mark.parametrize("network", VARIED)
@pytest.mark.parametrize("side", [28, 48])
def test_step_and_module_give_the_same_scores(network: str, side: int, tmp_path: Path) -> None:
    contract = of(network, f"model.input_size={side}")
    params = initial_params(contract, cache=tmp_path)
    params += np.random.default_rng(0).uniform(0, 0.2, params.size).astype(np.float32)
    step = make_step(contract, CrossEntropy(None), CPU, batch=4)
    images = torch.randn(4, 3, side, side)
    step.attach(torch.from_numpy(params))
    with torch.no_grad():
        expected = assemble(contract, params, cache=tmp_path)(images)
    torch.testing.assert_close(step.logits(images.flatten(1)), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=12, deadline=None)
@given(st.integers(2, 9), st.booleans(), st.sampled_from([28, 31, 32]), st.integers(0, 1000))
def test_ststnets_step_by_hand_is_autograds(size: int, weighted: bool, side: int, seed: int) -> None:
    """In float64: in float32 two pixels may be equal but for rounding, and pooling then takes one or the other."""
    contract = of("ststnet", f"model.input_size={side}", "training.dropout=0")
    layout, random = contract.model.layout, np.random.default_rng(seed)
    params = random.normal(0, 0.3, layout.size)
    layout.views(params)["norm1.running_var"][:] = 1.0
    loss = CrossEntropy(torch.rand(3).double() + 0.1 if weighted else None)
    # Grey levels of eight bits: many pixels are alike, so pooling has ties to break.
    levels = random.integers(0, 6, (size, 3 * side * side)).astype(np.float64)
    images, labels = torch.from_numpy(levels), torch.from_numpy(random.integers(0, 3, size))
    found = {}
    for name, step in (
        ("by hand", make_step(contract, loss, CPU, batch=size)),
        ("autograd", ModuleStep(whole_module(contract.model, 0.0).double(), layout, (3, side, side), loss, CPU)),
    ):
        flat = torch.from_numpy(params.copy())
        step.begin(flat, 1e-3, 2)
        value = step.forward_backward(images, torch.arange(size), labels, torch.Generator().manual_seed(seed))
        found[name] = value, step._grads.clone(), flat.clone()  # type: ignore[attr-defined]
    (loss_a, grads_a, params_a), (loss_b, grads_b, params_b) = found.values()
    torch.testing.assert_close(loss_a, loss_b)
    torch.testing.assert_close(grads_a, grads_b, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(params_a, params_b, msg="the running statistics")


@pytest.mark.few(1)
@pytest.mark.parametrize("network", VARIED)
def test_a_round_is_a_function_of_seed_peer_and_round(network: str, tmp_path: Path) -> None:
    contract = of(network, "training.local_epochs=2", "training.batch_size=4")
    samples = Samples(drawn(contract, 9), None, drawn(contract, 5, 1))  # the last batch of an epoch is one sample
    start = initial_params(contract, cache=tmp_path)
    kept, state = start.copy(), torch.get_rng_state()
    one = make_trainer(contract, 1, samples, "cpu").train(start, 3)
    torch.rand(7)
    again = make_trainer(contract, 1, samples, "cpu")
    again.train(start, 2)
    assert again.evaluate(start, "test") is not None
    assert one.params.tobytes() == again.train(start, 3).params.tobytes()
    assert start.tobytes() == kept.tobytes() and np.isfinite(one.params).all()
    assert make_trainer(contract, 2, samples, "cpu").train(start, 3).params.tobytes() != one.params.tobytes()
    torch.set_rng_state(state)
    expected = torch.rand(3)
    torch.set_rng_state(state)
    make_trainer(contract, 1, samples, "cpu").train(start, 3)
    assert torch.equal(torch.rand(3), expected), "a notebook's own draws go on as if nothing had been trained"


@pytest.mark.parametrize("network", VARIED)
def test_a_shard_of_one_clip_trains(network: str, tmp_path: Path) -> None:
    contract = of(network, "training.local_epochs=3")
    start = initial_params(contract, cache=tmp_path)
    trained = make_trainer(contract, 0, Samples(drawn(contract, 1)), "cpu").train(start, 0)
    assert np.isfinite(trained.params).all() and (trained.params != start).any()
    for name, view in contract.model.layout.views(trained.params).items():
        if "running" in name:
            assert (view == contract.model.layout.views(start)[name]).all(), "one sample has no statistics"


@pytest.mark.few(1)
@pytest.mark.parametrize("network", VARIED)
def test_it_learns_what_can_be_learned(network: str, tmp_path: Path) -> None:
    contract = of(network, "training.local_epochs=30", "training.batch_size=16")
    part = drawn(contract, 48)
    rows = part.bank.reshape(48, 3, 28, 28)
    for klass in range(3):
        rows[part.labels == klass, :2, 8 * klass : 8 * klass + 8] += 1.0
    trainer = make_trainer(contract, 0, Samples(part, None, part), "cpu")
    found = trainer.evaluate(trainer.train(initial_params(contract, cache=tmp_path), 0).params, "test")
    assert found is not None and found.accuracy > 0.9


def test_dropout_is_drawn_alike_at_every_place(tmp_path: Path) -> None:
    contract = of("ststnet")
    step = make_step(contract, CrossEntropy(None), CPU, batch=4)
    random, maps = torch.Generator().manual_seed(0), torch.empty(4, 16, 10, 10)
    kept = torch.stack([step._keep(maps, random) for _ in range(200)])  # type: ignore[attr-defined]
    assert set(kept.unique().tolist()) == {0.0, 2.0} and kept.shape[1:] == maps.shape
    assert abs(kept.mean() - 1) < 0.01 and kept.mean(0).std() < 0.1


def test_negative_variances_count_as_none(tmp_path: Path) -> None:
    """Momentum and coarse compression may take an averaged variance below zero."""
    for network in ("ststnet",):
        contract = of(network)
        params = initial_params(contract, cache=tmp_path)
        contract.model.layout.views(params)["norm2.running_var"][:] = -0.01
        kept = params.copy()
        samples = Samples(drawn(contract, 1), None, drawn(contract, 3))
        for step in (
            make_step(contract, CrossEntropy(None), CPU, batch=4),
            ModuleStep(whole_module(contract.model, 0.0), contract.model.layout, (3, 28, 28), CrossEntropy(None), CPU),
        ):
            step.attach(torch.from_numpy(params))
            assert torch.isfinite(step.logits(torch.from_numpy(samples.train.bank))).all()
            assert params.tobytes() == kept.tobytes(), "asking changes nothing"
        trained = make_trainer(contract, 0, samples, "cpu").train(params, 0)
        assert np.isfinite(trained.params).all()


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["model.backbone=ststnt"], "did you mean `ststnet`"),
        (["model.backbone={kind: ststnet, normalisation: layer}"], "'batch' or 'group'"),
        (["model.backbone={kind: mlp, normalisation: batch}"], "unknown key `model.backbone.normalisation`"),
        (["model.backbone=ststnet", "model.trainable=head"], "of ststnet is trained all, not `head`"),
        (["model.backbone=mlp", "model.input_size=4"], "mlp takes images of 8 to 256 pixels a side, not of 4"),
        (["model.input_size=65"], "multiple of 32 pixels"),
        (["model.backbone=mlp", "model.weights.source=imagenet"], "no frozen layers for model.weights"),
        (["model.backbone=3"], "model.backbone"),
    ],
)
def test_what_no_network_can_be_is_refused(overrides: list[str], says: str) -> None:
    with pytest.raises(ContractError) as caught:
        contract_from_yaml(BASE, overrides=overrides)
    assert says in str(caught.value) and "->" in str(caught.value)


def test_a_network_that_lacks_its_parts_is_refused_by_name() -> None:
    from typing import Literal

    class Unfinished(Whole):
        kind: Literal["unfinished"] = "unfinished"

    NETWORKS.add(Unfinished)
    try:
        contract = of("unfinished")
        for use in (lambda model: model.layout, lambda model: whole_module(model, 0.5)):
            with pytest.raises(ContractError, match="network unfinished cannot do this"):
                use(contract.model)
    finally:
        NETWORKS.remove("unfinished")


def test_a_narrow_peer_trains_a_slice_of_the_pixels_head(tmp_path: Path) -> None:
    contract = of("mlp", "peers.widths={1: 0.5}")
    layout, start = contract.model.layout, initial_params(contract, cache=tmp_path)
    mine = held(layout.dimensions, 0.5)
    narrow = np.where(mine, start, 0).astype(np.float32)
    trained = make_trainer(contract, 1, Samples(drawn(contract, 9)), "cpu", width=0.5).train(narrow, 0).params
    assert (trained[mine] != start[mine]).any() and not trained[~mine].any()
    with pytest.raises(ContractError, match="slices the head's hidden units"):
        of("ststnet", "peers.widths={1: 0.5}")


def test_another_network_brings_its_own_input_and_part() -> None:
    """What a file says of the one that it names is nothing to one that an override puts in its place."""
    text = BASE + "model: {backbone: vgg16, trainable: head, input_size: 64}\n"
    model = contract_from_yaml(text, overrides=["model.backbone=ststnet"]).model
    assert (model.input_size, model.trainable) == (28, "all")
    model = contract_from_yaml(text, overrides=["model.backbone=ststnet", "model.input_size=48"]).model
    assert model.input_size == 48


def test_vgg16_takes_other_sizes(tmp_path: Path) -> None:
    for trainable in ("head", "block5"):
        contract = of("vgg16", "model.input_size=32", f"model.trainable={trainable}")
        params = initial_params(contract, cache=tmp_path)
        with torch.no_grad():
            network = assemble(contract, params, cache=tmp_path)
            assert isinstance(network.features, nn.Sequential)
            images = torch.rand(2, 3, 32, 32)
            cut = network.features if trainable == "head" else network.features[:24]
            step = make_step(contract, CrossEntropy(None), CPU, batch=2)
            step.attach(torch.from_numpy(params))
            torch.testing.assert_close(step.logits(cut(images).flatten(1)), network(images), rtol=1e-4, atol=1e-5)

"""The hand-written step is autograd's; the network is the founding paper's; training is a function of its seed."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import DataError, WeightsError
from p2pfl_me.learning.adam import Adam
from p2pfl_me.learning.blocks import BlockStep
from p2pfl_me.learning.by_hand import tensors
from p2pfl_me.learning.head import HeadStep
from p2pfl_me.learning.losses import CrossEntropy
from p2pfl_me.learning.network import Network, assemble, initial_params
from p2pfl_me.learning.trainer import Part, Samples, balanced_weights, make_trainer

CPU = torch.device("cpu")


def contract(**overrides: object) -> Contract:
    text = "version: 1\nname: t\ntopology: {kind: ring}\npeers:\n  loopback: {count: 3}\n"
    return contract_from_yaml(text, overrides=[f"{k.replace('__', '.')}={v}" for k, v in overrides.items()])


def random_part(size: int, width: int = 2048, seed: int = 0) -> Part:
    random = np.random.default_rng(seed)
    bank = random.normal(size=(size + 5, width)).astype(np.float32)
    rows = random.permutation(size + 5)[:size].astype(np.int64)
    return Part(bank, rows, random.integers(0, 7, size), np.arange(size))


def test_the_network_is_the_founding_papers() -> None:
    assert sum(p.numel() for p in Network(contract().model).parameters()) == 14_977_863
    assert contract().model.layout.size == 263_175
    assert contract(model__trainable="block5").model.layout.size == 7_342_599
    assert Network(contract().model)(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


@settings(max_examples=15)
@given(st.integers(1, 32), st.sampled_from([0.0, 0.25, 0.5]), st.booleans(), st.integers(0, 1000))
def test_the_head_step_is_autograd_with_the_same_masks(size: int, dropout: float, weighted: bool, seed: int) -> None:
    layout = contract().model.layout
    random = np.random.default_rng(seed)
    params = (random.normal(size=layout.size) * 0.05).astype(np.float32)
    features = torch.from_numpy(random.normal(size=(40, 2048)).astype(np.float32))
    labels = torch.from_numpy(random.integers(0, 7, 40))
    index = torch.from_numpy(random.permutation(40)[:size])
    weights = torch.rand(7) + 0.1 if weighted else None
    step = HeadStep(layout, 2048, 32, dropout, CrossEntropy(weights), CPU)
    step.begin(torch.from_numpy(params), 1e-3, 2)
    loss = step.forward_backward(features, index, labels[index], torch.Generator().manual_seed(seed))

    masks = HeadStep(layout, 2048, 32, dropout, CrossEntropy(weights), CPU)
    again = torch.Generator().manual_seed(seed)
    keep_x, keep_h = masks._keep(torch.empty(size, 2048), torch.empty(size, 128), again)
    assert (keep_x is None) == (keep_h is None) == (dropout == 0)
    if keep_x is None or keep_h is None:
        keep_x, keep_h = torch.ones(size, 2048), torch.ones(size, 128)
    flat = torch.from_numpy(params.copy())
    p = {name: view.clone().requires_grad_() for name, view in tensors(layout, flat).items()}
    x = features[index] * keep_x / (1 - dropout)
    before = nn.functional.linear(x, p["dense1.weight"], p["dense1.bias"])
    assume(bool((before.abs() > 1e-5).all()))  # nearer to zero, two orders of summing may differ in its sign
    h = torch.relu(before) * keep_h / (1 - dropout)
    out = nn.functional.linear(h, p["dense2.weight"], p["dense2.bias"])
    expected = nn.functional.cross_entropy(out, labels[index], weight=weights)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-4, atol=1e-5)
    for name, gradient in step._g.items():
        torch.testing.assert_close(gradient, p[name].grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.25, 0.5, 0.9])
def test_masks_keep_the_right_share(dropout: float) -> None:
    step = HeadStep(contract().model.layout, 2048, 32, dropout, CrossEntropy(None), CPU)
    random = torch.Generator().manual_seed(0)
    x, h = torch.empty(32, 2048), torch.empty(32, 128)

    def drawn() -> tuple[torch.Tensor, torch.Tensor]:
        keep_x, keep_h = step._keep(x, h, random)
        assert keep_x is not None and keep_h is not None
        assert keep_x.shape == x.shape and keep_h.shape == h.shape
        return keep_x.clone(), keep_h.clone()

    kept = np.mean([drawn()[0].mean().item() for _ in range(30)])
    assert abs(kept - (1 - round(dropout * 256) / 256)) < 0.002
    for masks in zip(*(drawn() for _ in range(200)), strict=True):
        assert torch.stack(masks).mean(0).std() < 0.05, "every position is drawn alike, the top bit of a word included"


@pytest.mark.few(1)
@pytest.mark.parametrize("trainable", ["head", "block5"])
def test_a_round_is_a_function_of_seed_peer_and_round(trainable: str, tmp_path: Path) -> None:
    agreed = contract(model__trainable=trainable, training__local_epochs=2, training__batch_size=4)
    width = 2048 if trainable == "head" else 8192
    samples = Samples(random_part(9, width), None, random_part(6, width, 1))
    start = initial_params(agreed, cache=tmp_path)
    kept = start.copy()
    one = make_trainer(agreed, 1, samples, "cpu").train(start, 3)
    assert one.steps == 6 and np.isfinite(one.loss)
    np.testing.assert_array_equal(start, kept)
    trainer = make_trainer(agreed, 1, samples, "cpu")
    trainer.train(start, 2)
    again = trainer.train(start, 3)
    assert one.params.tobytes() == again.params.tobytes()
    assert make_trainer(agreed, 2, samples, "cpu").train(start, 3).params.tobytes() != one.params.tobytes()
    metrics = trainer.evaluate(one.params, "test")
    assert metrics is not None and metrics.count == 6
    assert trainer.evaluate(one.params, "validation") is None


def test_adam_is_torchs_and_starts_anew_each_round(tmp_path: Path) -> None:
    agreed = contract(training__dropout=0.0, training__local_epochs=3, training__batch_size=100)
    part = random_part(20)
    start = initial_params(agreed, cache=tmp_path)
    ours = make_trainer(agreed, 0, Samples(part), "cpu").train(start, 0).params
    flat = torch.from_numpy(start.copy())
    p = {name: view.clone().requires_grad_() for name, view in tensors(agreed.model.layout, flat).items()}
    adam = torch.optim.Adam(list(p.values()), lr=1e-3)
    x, y = torch.from_numpy(part.bank[part.rows]), torch.from_numpy(part.labels)
    for _ in range(3):
        h = torch.relu(nn.functional.linear(x, p["dense1.weight"], p["dense1.bias"]))
        out = nn.functional.linear(h, p["dense2.weight"], p["dense2.bias"])
        adam.zero_grad()
        nn.functional.cross_entropy(out, y).backward()
        adam.step()
    theirs = torch.cat([view.detach().flatten() for view in p.values()])
    # Adam turns a gradient's sign into a whole step, so rounding shows where a gradient is next to nothing.
    assert (torch.from_numpy(ours) - theirs).abs().mean() < 1e-6


@pytest.mark.parametrize("steps", [1, 2])
def test_the_only_step_of_a_round_is_adams_first(steps: int) -> None:
    """A round of one step keeps no moments; that changes nothing but the time and the memory it takes."""
    random = torch.Generator().manual_seed(5)
    shapes = [(300, 400), (7,)]
    start = [torch.randn(shape, generator=random) for shape in shapes]
    grads = [torch.randn(shape, generator=random) * 10.0 ** torch.randint(-9, 2, shape) for shape in shapes]
    grads[0][0] = 0
    ours, theirs = [x.clone() for x in start], [x.clone().requires_grad_() for x in start]
    adam = torch.optim.Adam(theirs, lr=1e-2)
    mine = Adam(ours, 1e-2, steps)
    for _ in range(steps):
        mine.step(grads)
        for x, grad in zip(theirs, grads, strict=True):
            x.grad = grad.clone()
        adam.step()
    torch.testing.assert_close(ours, [x.detach() for x in theirs], rtol=1e-6, atol=1e-6)


def test_both_trainers_agree_with_the_assembled_network(tmp_path: Path) -> None:
    images = torch.rand(3, 3, 64, 64)
    for trainable in ("head", "block5"):
        agreed = contract(model__trainable=trainable)
        params = initial_params(agreed, cache=tmp_path)
        network = assemble(agreed, params, cache=tmp_path)
        with torch.no_grad():
            whole = network(images)
            cut = network.features if trainable == "head" else network.features[:24]
            features = cut(images).flatten(1)
        layout = agreed.model.layout
        head, block = (
            HeadStep(layout, 2048, 4, 0.5, CrossEntropy(None), CPU),
            BlockStep(layout, (512, 4, 4), 0.5, CrossEntropy(None)),
        )
        step = head if trainable == "head" else block
        step.attach(torch.from_numpy(params))
        torch.testing.assert_close(step.logits(features), whole, rtol=1e-4, atol=1e-5)


def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    agreed = contract()
    with pytest.raises(DataError, match="peer 2 has no clips"):
        make_trainer(agreed, 2, Samples(random_part(0)), "cpu")
    with pytest.raises(DataError, match="8192 values where `head` takes 2048"):
        make_trainer(agreed, 2, Samples(random_part(3, 8192)), "cpu")
    wild = contract(training__learning_rate=1e30, training__local_epochs=1)  # one step: large, not yet NaN
    # The refusal is all there is to say: no warning of a library's stands before it.
    with warnings.catch_warnings(), pytest.raises(WeightsError, match="diverged in round 1"):
        warnings.simplefilter("error")
        make_trainer(wild, 0, Samples(random_part(30)), "cpu").train(initial_params(wild, cache=tmp_path), 0)


def test_balanced_weights_leave_absent_classes_out() -> None:
    weights = balanced_weights(np.array([0, 0, 0, 2]), 3)
    torch.testing.assert_close(weights, torch.tensor([4 / 9, 0.0, 4 / 3]))

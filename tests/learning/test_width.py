"""A peer of less than full width trains the slice that it holds, as HeteroFL scales it, and nothing beside it."""

from __future__ import annotations

import numpy as np
import torch

from p2pfl_me.contract import contract_from_yaml
from p2pfl_me.learning.by_hand import tensors
from p2pfl_me.learning.head import HeadStep
from p2pfl_me.learning.losses import make_loss
from p2pfl_me.learning.trainer import FeatureTrainer, Part, Samples
from p2pfl_me.widths import held, sliced

CONTRACT = contract_from_yaml(
    "version: 1\nname: t\ntopology: {kind: mesh}\npeers: {loopback: {count: 3}, widths: {1: 0.25}}\n"
    "training: {dropout: 0.0, batch_size: 8}\n"
)
LAYOUT, WIDTH = CONTRACT.model.layout, 0.25


def start() -> np.ndarray:
    return (0.05 * np.random.default_rng(0).normal(size=LAYOUT.size)).astype(np.float32)


def samples(count: int = 24) -> Samples:
    random = np.random.default_rng(1)
    labels, rows = np.arange(count) % 7, np.arange(count)
    bank = (random.normal(size=(count, 2048)) + labels[:, None]).astype(np.float32)
    part = Part(bank, rows, labels, rows)
    return Samples(part, test=part)


def test_the_hand_written_step_of_a_slice_has_autograds_gradients() -> None:
    slim = LAYOUT.narrowed(WIDTH)
    assert dict(slim.shapes)["dense1.weight"] == (32, 2048) and dict(slim.shapes)["dense2.weight"] == (7, 32)
    flat = torch.from_numpy(start()[held(LAYOUT.dimensions, WIDTH)])
    assert slim.size == flat.numel()
    loss = make_loss(CONTRACT.training, None)
    step = HeadStep(slim, 2048, 24, 0.0, loss, torch.device("cpu"), boost=1 / WIDTH)
    step.begin(flat, 0.001, 1)
    bank, labels = (torch.from_numpy(values) for values in (samples().train.bank, samples().train.labels))
    found = step.forward_backward(bank, torch.arange(24), labels, torch.Generator())
    p = {name: part.clone().requires_grad_() for name, part in tensors(slim, flat).items()}
    hidden = torch.relu(bank @ p["dense1.weight"].T + p["dense1.bias"]) / WIDTH  # the Scaler of HeteroFL
    expected = torch.nn.functional.cross_entropy(hidden @ p["dense2.weight"].T + p["dense2.bias"], labels)
    expected.backward()
    torch.testing.assert_close(found, expected.detach())
    for name, part in tensors(slim, step._grads).items():
        torch.testing.assert_close(part, p[name].grad, atol=1e-5, rtol=1e-4)


def test_training_a_slice_leaves_zeros_beside_it_and_learns() -> None:
    trainer = FeatureTrainer(CONTRACT, 1, samples(), torch.device("cpu"), WIDTH)
    params = sliced(LAYOUT.dimensions, WIDTH, start())
    before = trainer.evaluate(params, "test")
    for round in range(8):
        params = trainer.train(params, round).params
    after = trainer.evaluate(params, "test")
    mask = held(LAYOUT.dimensions, WIDTH)
    assert params.shape == (LAYOUT.size,) and not params[~mask].any() and params[mask].all()
    assert before is not None and after is not None and after.loss < before.loss


def test_a_slice_scores_as_the_whole_model_with_zeros_beside_it() -> None:
    narrow = FeatureTrainer(CONTRACT, 1, samples(), torch.device("cpu"), WIDTH)
    whole = FeatureTrainer(CONTRACT, 1, samples(), torch.device("cpu"))
    params = sliced(LAYOUT.dimensions, WIDTH, start())
    one, other = narrow.clip_logits(params, "test"), whole.clip_logits(params, "test")
    assert one is not None and other is not None
    np.testing.assert_array_equal(one.logits, other.logits)

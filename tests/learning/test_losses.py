"""Each loss by hand is autograd's, and is what its paper says; tiny shards learn by variants of the same sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfl_me.errors import ContractError
from p2pfl_me.learning.head import HeadStep
from p2pfl_me.learning.losses import CrossEntropy, FocalLoss, Loss, SmoothedCrossEntropy, make_loss
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.trainer import Part, Samples, make_trainer
from tests.learning.runs import contract

CPU = torch.device("cpu")


def losses(weights: torch.Tensor | None) -> list[Loss]:
    return [
        CrossEntropy(weights),
        SmoothedCrossEntropy(weights, 0.1),
        SmoothedCrossEntropy(weights, 0.7),
        *(FocalLoss(weights, gamma) for gamma in (0.5, 1.0, 2.0, 5.0)),
    ]


@settings(max_examples=40)
@given(
    which=st.integers(0, 6),
    size=st.integers(1, 12),
    classes=st.integers(2, 7),
    scale=st.sampled_from([0.1, 1.0, 8.0]),
    weighted=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_by_hand_is_by_autograd(which: int, size: int, classes: int, scale: float, weighted: bool, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(size, classes, generator=random, dtype=torch.float64) * scale
    labels = torch.randint(classes, (size,), generator=random)
    weights = torch.rand(classes, generator=random, dtype=torch.float64) + 0.1 if weighted else None
    loss = losses(weights)[which]
    leaf = scores.clone().requires_grad_()
    expected = loss.by_autograd(leaf, labels)
    expected.backward()
    found, gradient = loss.by_hand(torch.log_softmax(scores, 1), labels)
    torch.testing.assert_close(found, expected.detach(), check_dtype=False, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(gradient, leaf.grad, check_dtype=False, rtol=1e-6, atol=1e-9)


def test_focal_loss_is_the_papers() -> None:
    scores = torch.tensor([[0.0, 2.0, -1.0], [3.0, 0.0, 0.0]])
    labels = torch.tensor([1, 2])
    p = scores.softmax(1)[torch.arange(2), labels]
    expected = (-((1 - p) ** 2) * p.log()).mean()
    torch.testing.assert_close(FocalLoss(None, 2.0).by_autograd(scores, labels), expected)
    # What is told apart already weighs next to nothing: the point of the loss.
    easy, hard = torch.tensor([[9.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    truth = torch.tensor([0])
    ratio = {
        loss: float(loss.by_autograd(hard, truth) / loss.by_autograd(easy, truth))
        for loss in (FocalLoss(None, 2.0), CrossEntropy(None))
    }
    focal, plain = ratio.values()
    assert focal > 1e6 * plain


def test_certain_samples_give_finite_gradients() -> None:
    scores = torch.tensor([[200.0, -200.0], [-200.0, 200.0]])
    for loss in losses(None):
        found, gradient = loss.by_hand(torch.log_softmax(scores, 1), torch.tensor([0, 0]))
        assert torch.isfinite(found) and torch.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ((), CrossEntropy),
        (("training.label_smoothing=0.1",), SmoothedCrossEntropy),
        (("training.loss=focal",), FocalLoss),
        (("training.loss={kind: focal, gamma: 1}",), FocalLoss),
    ],
)
def test_the_contract_chooses_the_loss_of_both_steps(keys: tuple[str, ...], kind: type, tmp_path: Path) -> None:
    agreed = contract(*keys, "training.dropout=0", "training.local_epochs=1")
    loss = make_loss(agreed.training, None)
    assert type(loss) is kind
    part = _part(6, 2048)
    params = initial_params(agreed, cache=tmp_path)
    step = HeadStep(agreed.model.layout, 2048, 8, 0.0, loss, CPU)
    step.attach(torch.from_numpy(params))
    labels = torch.from_numpy(part.labels)
    expected = loss.by_autograd(step.logits(torch.from_numpy(part.bank[part.rows])), labels)
    trained = make_trainer(agreed, 0, Samples(part), "cpu").train(params, 0)
    assert trained.loss == pytest.approx(float(expected), rel=1e-5), "the first step's loss is of the start itself"


def test_keys_that_contradict_each_other_are_refused() -> None:
    for keys, says in [
        (("training.loss=focal", "training.label_smoothing=0.1"), "label_smoothing goes with"),
        (("training.loss=hinge",), "unknown loss kind `hinge`"),
        (("training.loss={kind: focal, gamma: 0}",), "greater than 0"),
        (("training.augment={mirror: false}",), "augment does nothing"),
        (("training.few_shot=0",), "greater than or equal to 1"),
    ]:
        with pytest.raises(ContractError, match=says):
            contract(*keys)


def _part(count: int, width: int, variants: int = 0) -> Part:
    random = np.random.default_rng(1)
    rows = random.permutation(count)
    bank = random.normal(size=(count * (1 + variants), width)).astype(np.float32)
    every = np.stack([rows + count * k for k in range(1 + variants)], axis=1) if variants else None
    return Part(bank, rows, random.integers(0, 3, count), np.arange(count), every)


def test_each_epoch_takes_one_variant_of_every_sample() -> None:
    agreed = contract("training.batch_size=4", "training.local_epochs=60", "training.dropout=0")
    part = _part(7, 2048, variants=2)
    trainer = make_trainer(agreed, 0, Samples(part), "cpu")
    random = torch.Generator().manual_seed(0)
    seen = []
    for _ in range(60):
        rows, labels = (each.numpy() for each in trainer._epoch(random))  # type: ignore[attr-defined]
        seen.append(rows)
        assert sorted(rows % 7) == list(range(7)), "every sample once an epoch"
        label_of = dict(zip(part.rows.tolist(), part.labels.tolist(), strict=True))
        assert [label_of[row % 7] for row in rows.tolist()] == labels.tolist(), "each with its own label"
    counts = np.bincount(np.concatenate(seen), minlength=21)
    assert counts.min() > 5 and counts.sum() == 60 * 7, "every variant in its turn"

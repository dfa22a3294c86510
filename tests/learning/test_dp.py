"""DP-SGD: what each sample adds is cut before it is summed, and nothing else of it comes through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.contract import Contract
from p2pfl_me.contract.load import contract_from_yaml
from p2pfl_me.errors import DataError, NetworkError, P2pmeError
from p2pfl_me.learning.dp_module import DpModuleStep
from p2pfl_me.learning.dp_trainer import DpTrainer
from p2pfl_me.learning.losses import CrossEntropy, Loss, make_loss
from p2pfl_me.learning.protections import rehearsal, round_release
from p2pfl_me.learning.steps import DpStep, make_dp_step, make_step
from p2pfl_me.learning.trainer import Part, Samples, make_trainer
from p2pfl_me.networks import Layout
from p2pfl_me.privacy.accounting import Release
from p2pfl_me.privacy.randomness import Rehearsed, Stream

CPU = torch.device("cpu")
PRIVATE = ("privacy.training.kind=dp_sgd", "privacy.budget.epsilon=8", "training.dropout=0")
HEAD = ("model.backbone=mlp", "model.input_size=8")
GROUPS = ("model.backbone={kind: ststnet, normalisation: group}", "model.input_size=12")


def contract(*overrides: str) -> Contract:
    text = "version: 1\nname: dp\ntopology: {kind: ring}\npeers: {loopback: {count: 3}}\ntraining: {rounds: 3}\n"
    return contract_from_yaml(text, overrides=(*PRIVATE, *overrides))


def samples(agreed: Contract, count: int, *, clips: int | None = None, subjects: int = 3) -> Samples:
    draw = np.random.default_rng(count)
    bank = draw.normal(size=(count, agreed.model.input_width)).astype(np.float32)
    labels = draw.integers(0, len(agreed.model.classes), count)
    numbers = np.arange(count) % (clips or count)
    return Samples(Part(bank, np.arange(count), labels, numbers, subjects=numbers % subjects))


def start_of(agreed: Contract) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(0).normal(0, 0.1, agreed.model.layout.size).astype(np.float32)


@pytest.mark.parametrize("network", [HEAD, GROUPS], ids=["head", "convolutions"])
@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_each_samples_gradient_is_cut_before_it_is_summed(network: tuple[str, ...], loss: str) -> None:
    """Against one backward pass a sample, by autograd."""
    agreed = contract(*network, f"training.loss={loss}")
    part, params = samples(agreed, 9).train, torch.from_numpy(start_of(agreed))
    bank, labels, shares = torch.from_numpy(part.bank), torch.from_numpy(part.labels), torch.linspace(0.05, 0.4, 9)
    made = make_loss(agreed.training, None)
    single = make_step(agreed, made, CPU, batch=1)
    single.begin(params, 0.1, 1)
    gradients = []
    for at in range(9):
        single.forward_backward(bank, torch.tensor([at]), labels[at : at + 1], torch.Generator())
        gradients.append(cast(Tensor, single._grads.clone()))  # type: ignore[attr-defined]
    norm = float(torch.stack([each.norm() for each in gradients]).median())  # some are cut and some are not
    wanted = sum(
        (share * each * min(1.0, norm / float(each.norm())) for share, each in zip(shares, gradients, strict=True))
    )
    ours = summed(make_dp_step(agreed, made, CPU, batch=16), params, bank, labels, norm, shares)
    assert (ours - wanted).abs().max() < 1e-6 * norm


def summed(step: DpStep, params: Tensor, bank: Tensor, labels: Tensor, norm: float, shares: Tensor) -> Tensor:
    grads = torch.zeros_like(params)
    step.begin(params, 0.1, 2)
    step.onto(grads)
    for rows in torch.arange(len(labels)).split(5):  # what does not fit in at once is added in parts
        step.add(bank, rows, labels[rows], norm, shares[rows], torch.Generator())
    step.end()
    return grads


@pytest.mark.few(1)
@pytest.mark.parametrize("network", [HEAD, GROUPS], ids=["head", "convolutions"])
def test_gradients_are_those_of_opacus(network: tuple[str, ...]) -> None:
    opacus = pytest.importorskip("opacus", reason="opacus is not installed: pip install opacus")
    agreed = contract(*network)
    part, params = samples(agreed, 8).train, torch.from_numpy(start_of(agreed))
    bank, labels = torch.from_numpy(part.bank), torch.from_numpy(part.labels)
    layout, model = agreed.model.layout, agreed.model
    module = cast(nn.Module, model.backbone.module(model.use, 0.0))  # type: ignore[attr-defined]
    state = dict(zip((name for name, _ in layout.shapes), split(layout, params), strict=True))
    module.load_state_dict(state)
    theirs = opacus.GradSampleModule(module)
    optimizer = opacus.optimizers.DPOptimizer(
        torch.optim.SGD(theirs.parameters(), lr=0.1), noise_multiplier=0.0, max_grad_norm=1.0, expected_batch_size=8
    )
    scores = theirs(bank.view(-1, *model.backbone.shape(model.use)))
    nn.functional.cross_entropy(scores, labels).backward()
    optimizer.pre_step()
    named = {name.removeprefix("_module."): value.grad for name, value in theirs.named_parameters()}
    wanted = torch.cat([cast(Tensor, named[name]).reshape(-1) for name, _ in layout.shapes])
    step = make_dp_step(agreed, CrossEntropy(None), CPU, batch=16)
    ours = summed(step, params, bank, labels, 1.0, torch.full((8,), 1 / 8))
    assert (ours - wanted).abs().max() < 1e-6


def split(layout: Layout, params: Tensor) -> list[Tensor]:
    from p2pfl_me.learning.by_hand import tensors

    return list(tensors(layout, params).values())


@pytest.mark.parametrize("unit", ["clip", "subject"])
def test_no_unit_moves_a_steps_sum_by_more_than_the_norm(unit: str) -> None:
    """Without noise, two data sets that differ in one unit's samples give sums at most one norm apart."""
    agreed = contract(*HEAD, f"privacy.training.unit={unit}", "training.batch_size=64")
    own = samples(agreed, 24, clips=8, subjects=4)
    part = own.train
    assert part.subjects is not None
    owner = (part.clips if unit == "clip" else part.subjects) == 1
    wild = Part(part.bank.copy(), part.rows, part.labels, part.clips, subjects=part.subjects)
    wild.bank[owner] *= 50
    units = 8 if unit == "clip" else 4
    sums = [gradient_sum(agreed, Samples(each), units) for each in (part, wild)]
    assert 0.1 < float(torch.linalg.norm(sums[0] - sums[1])) <= 2 * 1.0 + 1e-4, "one goes, another comes"
    without = Part(
        part.bank, part.rows[~owner], part.labels[~owner], part.clips[~owner], subjects=part.subjects[~owner]
    )
    gone = gradient_sum(agreed, Samples(without), units - 1)
    assert float(torch.linalg.norm(sums[1] - gone)) <= 1.0 + 1e-4


def gradient_sum(agreed: Contract, own: Samples, units: int) -> Tensor:
    """Of all units, as the trainer adds them up."""
    trainer = DpTrainer(agreed, 0, own, CPU, 1.0, Release(1.0), Rehearsed(1))
    params = torch.from_numpy(start_of(agreed))
    grads = torch.zeros_like(params)
    step = cast(DpStep, trainer._step)
    step.begin(params, 0.1, 2)
    step.onto(grads)
    chosen = trainer._samples_of(np.arange(units))
    rows, labels = trainer._rows_of(trainer._order[chosen], torch.Generator())
    step.add(trainer._bank, rows, labels, 1.0, trainer._shares[chosen] * units, torch.Generator())
    return grads


def test_the_noise_is_what_is_paid_for_and_never_twice_the_same() -> None:
    """Where nothing can be learned, Adam's first step has the sign of the noise."""
    agreed = contract(*HEAD, "training.local_epochs=1", "privacy.training.noise=50")
    own, start = samples(agreed, 6), start_of(agreed)
    one, two = (make_trainer(agreed, 0, own, "cpu").train(start, 0).params for _ in range(2))
    assert np.mean(np.sign(one - start) == np.sign(two - start)) == pytest.approx(0.5, abs=0.05)
    again = [make_trainer(agreed, 0, own, "cpu", means=rehearsal(agreed, 0)).train(start, 0) for _ in range(2)]
    assert again[0].params.tobytes() == again[1].params.tobytes(), "a rehearsal's follows from the seed"


class _NobodyAt(Stream):
    """Draws nobody at one step."""

    def __init__(self, step: int) -> None:
        super().__init__(bytes(range(32)))
        self.steps, self._empty = 0, step

    def chosen(self, count: int, rate: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        self.steps += 1
        return super().chosen(count, rate)[: 0 if self.steps == self._empty else count]


@dataclass
class _Drawn:
    units: Stream

    def stream(self, *labels: str | int) -> Stream:
        return self.units if labels[0] == "units" else Rehearsed(1).stream(*labels)


@pytest.mark.parametrize("unit", ["clip", "subject"])
@pytest.mark.parametrize("network", [HEAD, GROUPS], ids=["head", "convolutions"])
def test_a_step_that_draws_nobody_is_one_of_noise_alone(network: tuple[str, ...], unit: str) -> None:
    """By chance, and often where the units are few subjects; the accountant counts on it."""
    agreed, release = contract(*network, f"privacy.training.unit={unit}"), Release(1.0, 0.5, 3)
    own, start = samples(agreed, 8, subjects=2), start_of(agreed)
    for step in (1, 3):
        units = _NobodyAt(step)
        trained = DpTrainer(agreed, 0, own, CPU, 1.0, release, _Drawn(units)).train(start, 0)
        assert trained.steps == units.steps == 3
        assert trained.loss is not None and np.isfinite(trained.loss)
        assert np.isfinite(trained.params).all() and (trained.params != start).mean() > 0.9


def test_a_round_that_draws_nobody_has_no_loss() -> None:
    """0 would be a model without a fault, on every page and in every table."""
    agreed = contract(*HEAD)
    own, start = samples(agreed, 8, subjects=2), start_of(agreed)
    trained = DpTrainer(agreed, 0, own, CPU, 1.0, Release(1.0, 0.5, 1), _Drawn(_NobodyAt(1))).train(start, 0)
    assert trained.loss is None and (trained.params != start).any()


def test_noise_that_is_left_out_is_the_least_for_all_rounds() -> None:
    agreed = contract(*HEAD, "training.batch_size=4", "training.local_epochs=2")
    release = round_release(agreed, 10)
    assert (release.rate, release.steps) == (0.4, 6)
    from p2pfl_me.privacy.accounting import epsilon_of

    assert 7.9 < epsilon_of([release] * 3, 1e-5) <= 8
    dear = contract(*HEAD, "privacy.training.noise=0.5")
    assert round_release(dear, 10).noise == 0.5


class _Batched(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.flat, self.norm, self.out = nn.Flatten(), nn.BatchNorm1d(12, track_running_stats=False), nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.out(self.norm(self.flat(x))))


def test_what_normalises_by_the_batch_is_refused_by_name() -> None:
    module, loss = _Batched(), cast(Loss, CrossEntropy(None))
    layout = Layout(tuple((name, tuple(value.shape)) for name, value in module.named_parameters()), ())
    with pytest.raises(NetworkError, match="normalises by the batch") as caught:
        DpModuleStep(module, layout, (12,), loss, CPU)
    assert "GroupNorm" in caught.value.fix


def test_what_cannot_be_kept_apart_is_refused_with_what_to_write() -> None:
    whole = contract("model.trainable=block5")
    with pytest.raises(NetworkError, match="block5") as caught:
        make_trainer(whole, 0, samples(whole, 4), "cpu")
    assert "model.trainable: head" in caught.value.fix
    agreed = contract(*HEAD, "privacy.training.unit=subject")
    part = samples(agreed, 4).train
    nameless = Samples(Part(part.bank, part.rows, part.labels, part.clips))
    with pytest.raises(DataError, match="whose"):
        make_trainer(agreed, 0, nameless, "cpu")


def test_without_the_accountant_nothing_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "dp_accounting", None)
    agreed = contract(*HEAD)
    with pytest.raises(P2pmeError, match="not installed") as caught:
        make_trainer(agreed, 0, samples(agreed, 4), "cpu")
    assert "pip install" in caught.value.fix

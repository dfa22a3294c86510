"""What can be put together of the inputs: exact where theory says so, less under protections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

pytest.importorskip("dp_accounting", reason="pip install 'p2pfl-me[privacy]'")

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.learning.losses import make_loss
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.steps import make_step, whole_module
from p2pfl_me.learning.trainer import Part
from p2pfl_me.networks import Whole
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy_audit import inversion
from p2pfl_me.privacy_audit.games import Board
from p2pfl_me.privacy_audit.inversion import Inversion, _likeness, descent_guesses, invert, ratio_guesses

PIXELS = ("model.backbone=mlp", "model.input_size=8")
SMALL = ("model.backbone={kind: ststnet, normalisation: group}", "model.input_size=12")
PRIVATE = "privacy={training: {kind: dp_sgd, noise: 4}, budget: {epsilon: 8}}"
PEERS = 4


def contract(*overrides: str) -> Contract:
    text = "version: 1\nname: x\ntopology: {kind: mesh}\npeers: {loopback: {count: 4}}\n"
    return contract_from_yaml(text + "training: {rounds: 1, dropout: 0, batch_size: 8}\n", overrides=overrides)


def board(agreed: Contract, clips: int) -> Board:
    parts = []
    for peer in range(PEERS):
        draw = np.random.default_rng(10 + peer)
        bank = draw.normal(size=(clips, agreed.model.input_width)).astype(np.float32)
        labels, numbers = draw.integers(0, len(agreed.model.classes), clips), np.arange(clips)
        parts.append(Part(bank, numbers, labels, numbers, subjects=numbers % 2))
    return Board(tuple(parts), tuple(np.arange(clips) for _ in parts))


def tried(tmp_path: Path, clips: int, *overrides: str) -> Inversion:
    agreed = contract(*PIXELS, *overrides)
    found = invert("x", agreed, board(agreed, clips), Unit.CLIP, initial_params(agreed, cache=tmp_path))
    assert found is not None and found.by == "ratio" and found.units == PEERS * clips
    return found


def test_the_gradient_of_one_input_holds_the_input_itself(tmp_path: Path) -> None:
    agreed = contract(*PIXELS)
    params = torch.from_numpy(initial_params(agreed, cache=tmp_path))
    single = board(agreed, 2).parts[0]
    step = make_step(agreed, make_loss(agreed.training, None), torch.device("cpu"), batch=1)
    step.begin(params, 0.1, 1)
    step.forward_backward(torch.from_numpy(single.bank), torch.tensor([0]), torch.tensor([1]), torch.Generator())
    gradients = agreed.model.layout.views(step._grads.numpy().copy())  # type: ignore[attr-defined]
    (name,) = [name for name, shape in agreed.model.layout.shapes if shape[1:] == (single.bank.shape[1],)]
    guesses = ratio_guesses(gradients[name], gradients[name.replace("weight", "bias")], 20)
    np.testing.assert_allclose(guesses, np.broadcast_to(single.bank[0], guesses.shape), rtol=1e-3, atol=1e-4)


def test_a_rounds_change_shows_the_clips_and_protections_take_that_away(tmp_path: Path) -> None:
    clips = 8
    plain, private = tried(tmp_path, clips), tried(tmp_path, clips, PRIVATE)
    assert plain.closer > 0.9 and plain.likeness > 3 * plain.nearest
    assert private.likeness < plain.likeness / 2 and private.closer < plain.closer
    masks = tried(tmp_path, clips, "privacy.exchange=masks")
    assert masks.likeness < plain.likeness - 0.1, "of a sum of three, each is seen less"


@pytest.mark.thorough
def test_descent_puts_a_smooth_picture_together_that_a_small_network_was_shown_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inversion, "STEPS", 150)
    agreed = contract(*SMALL)
    network, layout, start = agreed.model.backbone, agreed.model.layout, initial_params(agreed, cache=tmp_path)
    assert isinstance(network, Whole)
    shape = network.shape(agreed.model.use)
    picture = gaussian_filter(np.random.default_rng(3).normal(size=shape), (0, 2, 2)).astype(np.float32)
    picture /= picture.std()
    module = whole_module(agreed.model, 0.0).train()
    module.load_state_dict({name: torch.from_numpy(view) for name, view in layout.views(start).items()}, strict=False)
    loss = torch.nn.functional.cross_entropy(module(torch.from_numpy(picture)[None]), torch.tensor([1]))
    change = np.zeros_like(start)
    views = layout.views(change)
    for (name, parameter), slope in zip(
        module.named_parameters(), torch.autograd.grad(loss, list(module.parameters())), strict=True
    ):
        assert parameter.shape == slope.shape
        views[name][...] = -slope.numpy()
    found = descent_guesses(agreed, start, change, np.array([1]), picture.size)
    assert _likeness(picture.reshape(1, -1), found)[0] > 0.6


def test_what_no_attack_fits_is_not_called_safe(tmp_path: Path) -> None:
    agreed = contract("model.backbone=off_apexnet")
    assert invert("x", agreed, board(agreed, 2), Unit.CLIP, initial_params(agreed, cache=tmp_path)) is None

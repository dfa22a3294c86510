"""The step of a contract's network: one class of this room for each `networks.Step`."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from threading import get_ident
from typing import Protocol, assert_never

import torch
from torch import Tensor, nn

from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import Model
from p2pfl_me.errors import NetworkError
from p2pfl_me.learning.blocks import BlockStep
from p2pfl_me.learning.dp_head import DpHeadStep
from p2pfl_me.learning.dp_module import DpModuleStep
from p2pfl_me.learning.head import HeadStep
from p2pfl_me.learning.losses import Loss
from p2pfl_me.learning.module import ModuleStep
from p2pfl_me.learning.streams import StreamStep
from p2pfl_me.machine import reuse_freed_memory
from p2pfl_me.networks import Step, Use, Whole


class TrainingStep(Protocol):
    """What a trainer needs of a network."""

    def attach(self, params: Tensor) -> None: ...
    def begin(self, params: Tensor, learning_rate: float, steps: int) -> None: ...
    def update(self) -> None: ...
    def end(self) -> None: ...
    def forward_backward(self, features: Tensor, rows: Tensor, labels: Tensor, random: torch.Generator) -> Tensor: ...
    def logits(self, features: Tensor) -> Tensor: ...


class DpStep(TrainingStep, Protocol):
    """What a trainer under DP-SGD needs of it."""

    def onto(self, grads: Tensor) -> None: ...
    def add(
        self, features: Tensor, rows: Tensor, labels: Tensor, norm: float, shares: Tensor, random: torch.Generator
    ) -> Tensor: ...


def make_step(contract: Contract, loss: Loss, device: torch.device, *, batch: int, width: float = 1.0) -> TrainingStep:
    """How a contract's network is trained and asked.

    Parameters
    ----------
    batch:
        The largest batch that it will be trained on.
    width:
        The share of a head's hidden units that this peer holds.
    """
    model, dropout = contract.model, contract.training.dropout
    network, use, layout = model.backbone, model.use, model.layout
    kind = network.step(use)
    if kind is not Step.HEAD:
        reuse_freed_memory()  # maps of a batch, by the megabyte and many a step
    match kind:
        case Step.HEAD:
            slim = layout if width == 1 else layout.narrowed(width)
            return HeadStep(slim, model.input_width, batch, dropout, loss, device, boost=1 / width)
        case Step.BLOCK5:
            return BlockStep(layout, network.shape(use), dropout, loss)
        case Step.STREAMS:
            return StreamStep(layout, model.input_size, dropout, loss)
        case Step.MODULE:
            assert isinstance(network, Whole), f"{network} has no module that is trained whole"
            module = _shared_module(network, network.identity, use, dropout, get_ident(), str(device))
            return ModuleStep(module, layout, network.shape(use), loss, device)
        case _:
            assert_never(kind)


def make_dp_step(contract: Contract, loss: Loss, device: torch.device, *, batch: int, width: float = 1.0) -> DpStep:
    """How it is trained under DP-SGD.

    Raises
    ------
    NetworkError
        Its samples cannot be told apart, or nobody has written that yet.
    """
    model, dropout = contract.model, contract.training.dropout
    network, use, layout = model.backbone, model.use, model.layout
    if network.step(use) is Step.HEAD:
        slim = layout if width == 1 else layout.narrowed(width)
        return DpHeadStep(slim, model.input_width, batch, dropout, loss, device, boost=1 / width)
    if not isinstance(network, Whole):
        raise NetworkError(
            f"DP-SGD trains {network}'s head, and not `{model.trainable}`: gradients of single samples would take "
            f"{layout.size * 4 / 2**20:.0f} MiB each",
            where="privacy.training",
            fix="write model.trainable: head",
        )
    module = _shared_module(network, network.identity, use, dropout, get_ident(), str(device))
    return DpModuleStep(module, layout, network.shape(use), loss, device)


@lru_cache(maxsize=8)
def _shared_module(network: Whole, identity: Hashable, use: Use, dropout: float, thread: int, device: str) -> nn.Module:
    """One module for all trainers of a thread: each binds it to its own vector before it is used."""
    return _module(network, use, dropout)


def whole_module(model: Model, dropout: float) -> nn.Module:
    """A module of a network that is trained whole, with values of no meaning."""
    assert isinstance(model.backbone, Whole), f"{model.backbone} has frozen layers"
    return _module(model.backbone, model.use, dropout)


def _module(network: Whole, use: Use, dropout: float) -> nn.Module:
    with torch.random.fork_rng(devices=[]):  # what a constructor draws is drawn for nothing, and is nobody else's loss
        return network.module(use, dropout)

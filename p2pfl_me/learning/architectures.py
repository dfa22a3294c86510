"""The frozen networks that a contract may name, as modules, cut off after a feature map.

The feature map is flattened, not averaged: where on the face something moves is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from p2pfl_me.learning.vision import torchvision_models
from p2pfl_me.networks import NETWORKS, Frozen

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Architecture:
    """One of them, with the names of its published weights."""

    network: Frozen

    @property
    def name(self) -> str:
        return self.network.kind

    @property
    def prefix(self) -> str:
        return self.network.prefix

    def build(self) -> nn.Sequential:
        """The layers, uninitialised: float32 (N, 3, S, S) -> (N, C, S / stride, S / stride)."""
        with torch.device("meta"):
            layers: nn.Sequential = self.network.cut(torchvision_models())
        return layers.to_empty(device="cpu")

    @property
    def shapes(self) -> Shapes:
        """Names and shapes of the float32 tensors, in the order of the state dict."""
        return dict(_shapes(self.name))


def architecture_of(name: str) -> Architecture:
    """The architecture of the contract's `model.backbone`, one with frozen layers."""
    network = NETWORKS.of(name)
    assert isinstance(network, Frozen), f"{name} has no frozen layers"
    return Architecture(network)


@cache
def _shapes(name: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    with torch.device("meta"):
        state = architecture_of(name).network.cut(torchvision_models()).state_dict()
    # The batches that a normalisation has seen are a count for training, which frozen layers have no use for.
    return tuple((key, tuple(value.shape)) for key, value in state.items() if value.is_floating_point())

"""The frozen networks that a contract may name: torchvision's, cut off after their last feature map.

Each ends at 2x2 pixels for a 64x64 input, which is flattened: where on the face something moves is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import nn

from p2pfl_me.learning.vision import torchvision_models

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Architecture:
    """One of them. `prefix` stands before its tensors' names in torchvision's whole state dict, `imagenet` is the name
    of torchvision's weights, `key` of the copy that is kept of them."""

    name: str
    prefix: str
    imagenet: str
    key: str
    _cut: Callable[[Any], nn.Sequential] = field(repr=False)

    def build(self) -> nn.Sequential:
        """The layers, uninitialised: float32 (N, 3, 64, 64) -> (N, C, 2, 2)."""
        with torch.device("meta"):
            layers = self._cut(getattr(torchvision_models(), self.name)(weights=None))
        return layers.to_empty(device="cpu")

    @property
    def shapes(self) -> Shapes:
        """Names and shapes of the float32 tensors, in the order of torchvision's state dict."""
        return dict(_shapes(self.name))


def architecture_of(name: str) -> Architecture:
    """The architecture of the contract's `model.backbone`."""
    return _ALL[name]


@cache
def _shapes(name: str) -> tuple[tuple[str, tuple[int, ...]], ...]:
    with torch.device("meta"):
        state = _ALL[name]._cut(getattr(torchvision_models(), name)(weights=None)).state_dict()
    # The batches that a normalisation has seen are a count for training, which frozen layers have no use for.
    return tuple((key, tuple(value.shape)) for key, value in state.items() if value.is_floating_point())


def _features(whole: Any) -> nn.Sequential:
    features: nn.Sequential = whole.features
    return features


def _before_pooling(whole: Any) -> nn.Sequential:
    kept = [(name, layer) for name, layer in whole.named_children() if name not in {"avgpool", "fc"}]
    return nn.Sequential(OrderedDict(kept))


_ALL = {
    each.name: each
    for each in (
        Architecture("vgg16", "features.", "VGG16_Weights", "imagenet1k-v1", _features),
        Architecture("resnet18", "", "ResNet18_Weights", "resnet18-imagenet1k-v1", _before_pooling),
        Architecture(
            "mobilenet_v3_small",
            "features.",
            "MobileNet_V3_Small_Weights",
            "mobilenet_v3_small-imagenet1k-v1",
            _features,
        ),
    )
}

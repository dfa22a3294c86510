"""ResNet-18 (He et al., CVPR 2016), frozen before the head, for comparison."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, ClassVar, Literal

from p2pfl_me.networks import layers
from p2pfl_me.networks.layout import Layout
from p2pfl_me.networks.network import Frozen, Step, Use


class Resnet18(Frozen):
    about: ClassVar[str] = "ResNet-18's convolutions, frozen, before the founding paper's head"
    channels: ClassVar[int] = 512
    imagenet: ClassVar[str] = "ResNet18_Weights"
    key: ClassVar[str] = "resnet18-imagenet1k-v1"
    kind: Literal["resnet18"] = "resnet18"

    def layout(self, use: Use) -> Layout:
        return layers.layout(layers.head(self.features(use), use.classes))

    def step(self, use: Use) -> Step:
        return Step.HEAD

    def cut(self, torchvision: Any) -> Any:
        from torch import nn

        whole = torchvision.resnet18(weights=None)
        kept = [(name, layer) for name, layer in whole.named_children() if name not in {"avgpool", "fc"}]
        return nn.Sequential(OrderedDict(kept))

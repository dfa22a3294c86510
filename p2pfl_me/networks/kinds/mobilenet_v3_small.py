"""MobileNetV3-Small (Howard et al., ICCV 2019), frozen before the head, for comparison."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from p2pfl_me.networks import layers
from p2pfl_me.networks.layout import Layout
from p2pfl_me.networks.network import Frozen, Step, Use


class MobilenetV3Small(Frozen):
    about: ClassVar[str] = "MobileNetV3-Small's convolutions, frozen, before the founding paper's head"
    channels: ClassVar[int] = 576
    prefix: ClassVar[str] = "features."
    imagenet: ClassVar[str] = "MobileNet_V3_Small_Weights"
    key: ClassVar[str] = "mobilenet_v3_small-imagenet1k-v1"
    kind: Literal["mobilenet_v3_small"] = "mobilenet_v3_small"

    def layout(self, use: Use) -> Layout:
        return layers.layout(layers.head(self.features(use), use.classes))

    def step(self, use: Use) -> Step:
        return Step.HEAD

    def cut(self, torchvision: Any) -> Any:
        return torchvision.mobilenet_v3_small(weights=None).features

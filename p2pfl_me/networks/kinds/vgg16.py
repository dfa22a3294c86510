"""VGG16 (Simonyan and Zisserman, ICLR 2015), the founding paper's: frozen whole, or all but its fifth block."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from p2pfl_me.networks import layers
from p2pfl_me.networks.layout import Layout
from p2pfl_me.networks.network import Frozen, Step, Use

BLOCK4_STRIDE, CHANNELS = 16, 512


class Vgg16(Frozen):
    about: ClassVar[str] = "VGG16's convolutions, frozen, before the founding paper's head"
    trainables: ClassVar[tuple[str, ...]] = ("head", "block5")
    channels: ClassVar[int] = CHANNELS
    prefix: ClassVar[str] = "features."
    imagenet: ClassVar[str] = "VGG16_Weights"
    key: ClassVar[str] = "imagenet1k-v1"
    kind: Literal["vgg16"] = "vgg16"

    def shape(self, use: Use) -> tuple[int, ...]:
        if use.trainable == "head":
            return super().shape(use)
        side = use.side // BLOCK4_STRIDE
        return (CHANNELS, side, side)

    def layout(self, use: Use) -> Layout:
        head = layers.head(self.features(use), use.classes)
        if use.trainable == "head":
            return layers.layout(head)
        block = [layers.convolution(f"conv5_{index}", CHANNELS, CHANNELS, 3) for index in (1, 2, 3)]
        return layers.layout(*block, head)

    def step(self, use: Use) -> Step:
        return Step.HEAD if use.trainable == "head" else Step.BLOCK5

    def cut(self, torchvision: Any) -> Any:
        return torchvision.vgg16(weights=None).features

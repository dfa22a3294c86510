"""STSTNet (Liong, Gan, See, Khor, Huang, "Shallow triple stream three-dimensional CNN", FG 2019).

Three streams of one 3x3 convolution with 3, 5 and 8 kernels on the flow image, each with ReLU, batch normalisation,
3x3 max pooling of stride 3 and dropout; joined, averaged 2x2 by 2x2, and one linear layer. 1,683 parameters for three
classes at 28x28, and 32 running statistics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from p2pfl_me.networks import layers
from p2pfl_me.networks.layers import Normalisation
from p2pfl_me.networks.layout import Layout
from p2pfl_me.networks.network import Step, Use, Whole

if TYPE_CHECKING:
    from torch import nn

STREAMS = (3, 5, 8)
"""Kernels of the three."""
PADDING, POOL = 2, 3


def pooled(side: int) -> int:
    """Side of a stream's map after its max pooling (padding 1)."""
    return (side + 2 * PADDING - 2 + 2 - POOL) // POOL + 1


class Ststnet(Whole):
    """`normalisation`: by the batch as published, or by groups, one a stream (Wu and He, ECCV 2018)."""

    about: ClassVar[str] = "STSTNet (Liong et al., FG 2019): three shallow streams, trained whole"
    side: ClassVar[int] = 28
    kind: Literal["ststnet"] = "ststnet"
    normalisation: Normalisation = "batch"

    def joined(self, use: Use) -> int:
        """Values that the linear layer reads."""
        return sum(STREAMS) * (pooled(use.side) // 2) ** 2

    def layout(self, use: Use) -> Layout:
        convolutions = [layers.convolution(f"conv{index}", 3, kernels, 3) for index, kernels in enumerate(STREAMS, 1)]
        norms = [layers.normalised(f"norm{at}", kernels, self.normalisation) for at, kernels in enumerate(STREAMS, 1)]
        # Like beside like: so each kind of tensor of the three streams is one piece of the vector.
        alike = [each for layer in (convolutions, norms) for kind in zip(*layer, strict=True) for each in kind]
        return layers.layout(alike, layers.dense("fc", self.joined(use), use.classes, last=True))

    def step(self, use: Use) -> Step:
        return Step.STREAMS if self.normalisation == "batch" else Step.MODULE

    def module(self, use: Use, dropout: float) -> nn.Module:
        import torch
        from torch import nn

        batch = self.normalisation == "batch"

        class Streams(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                for index, kernels in enumerate(STREAMS, 1):
                    norm = nn.BatchNorm2d(kernels) if batch else nn.GroupNorm(1, kernels)
                    self.add_module(f"conv{index}", nn.Conv2d(3, kernels, 3, padding=PADDING))
                    self.add_module(f"norm{index}", norm)
                self.after = nn.Sequential(nn.MaxPool2d(POOL, POOL, 1), nn.Dropout(dropout))
                self.average = nn.AvgPool2d(2)
                self.fc = nn.Linear(joined, use.classes)

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                streams = [
                    self.after(self.get_submodule(f"norm{at}")(self.get_submodule(f"conv{at}")(images).relu()))
                    for at in range(1, 1 + len(STREAMS))
                ]
                out: torch.Tensor = self.fc(self.average(torch.cat(streams, 1)).flatten(1))
                return out

        joined = self.joined(use)
        return Streams()

"""OFF-ApexNet (Gan, Liong, Yau, Huang, Tan, Signal Processing: Image Communication 74, 2019).

Two streams of 5x5 convolutions with 6 and 16 kernels, one for horizontal and one for vertical flow, joined before two
dense layers of 1,024. It is here as the honest middle: its published .720 UF1 was computed without choosing epochs on
tested subjects, its code is public, and it sees no strain, so it tells what the third plane is worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from p2pfl_me.networks import layers
from p2pfl_me.networks.layout import Layout
from p2pfl_me.networks.network import Use, Whole

if TYPE_CHECKING:
    import torch
    from torch import nn

KERNELS, HIDDEN = (6, 16), 1024


class OffApexnet(Whole):
    about: ClassVar[str] = "OFF-ApexNet (Gan et al., 2019): two streams of two convolutions, two wide dense layers"
    side: ClassVar[int] = 28
    kind: Literal["off_apexnet"] = "off_apexnet"

    def joined(self, use: Use) -> int:
        """Values that the first dense layer reads."""
        return 2 * KERNELS[1] * (use.side // 4) ** 2

    def layout(self, use: Use) -> Layout:
        streams = [
            layers.convolution(f"{name}{index}", inputs, outputs, 5)
            for name in ("across", "down")
            for index, inputs, outputs in ((1, 1, KERNELS[0]), (2, *KERNELS))
        ]
        dense = layers.dense("dense1", self.joined(use), HIDDEN), layers.dense("dense2", HIDDEN, HIDDEN)
        return layers.layout(*streams, *dense, layers.dense("fc", HIDDEN, use.classes, last=True))

    def module(self, use: Use, dropout: float) -> nn.Module:
        from torch import cat, nn
        from torch.nn.functional import max_pool2d

        class TwoStreams(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.across1, self.across2 = nn.Conv2d(1, KERNELS[0], 5, padding=2), nn.Conv2d(*KERNELS, 5, padding=2)
                self.down1, self.down2 = nn.Conv2d(1, KERNELS[0], 5, padding=2), nn.Conv2d(*KERNELS, 5, padding=2)
                self.dense1, self.dense2 = nn.Linear(joined, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
                self.drop = nn.Dropout(dropout)
                self.fc = nn.Linear(HIDDEN, use.classes)

            def forward(self, images: torch.Tensor) -> torch.Tensor:
                across = max_pool2d(self.across2(max_pool2d(self.across1(images[:, 0:1]).relu(), 2)).relu(), 2)
                down = max_pool2d(self.down2(max_pool2d(self.down1(images[:, 1:2]).relu(), 2)).relu(), 2)
                x = self.drop(self.dense1(cat((across, down), 1).flatten(1)).relu())
                out: torch.Tensor = self.fc(self.drop(self.dense2(x).relu()))
                return out

        joined = self.joined(use)
        return TwoStreams()

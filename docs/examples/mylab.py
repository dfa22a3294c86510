"""A network of your own, for `--network docs/examples/mylab.py:build`: replace it by yours."""

import torch
from torch import nn


class Small(nn.Module):
    """Two convolutions on the flow picture, and one layer that names the class."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        )  # fmt: skip
        self.fc = nn.Linear(16 * 4, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.body(images).flatten(1))


def build(classes: int) -> nn.Module:
    return Small(classes)


build.input_size = 28  # images come as float32 (N, 3, 28, 28)

"""The layers of EfficientNet-Lite0 up to its fifth stage, named as its published checkpoint names them.

Tan and Le, "EfficientNet", ICML 2019, and the Lite variants that its authors published in 2020: no squeeze and
excitation, ReLU6, fixed stem. torchvision has none of them.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional

STEM = 32
STAGES = ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5))
"""(expansion, channels, blocks, stride of the first, kernel) of the stages that are kept."""
EPSILON = 1e-3
"""Of its normalisation layers."""


class Same(nn.Conv2d):
    """A convolution that pads as TensorFlow's SAME, by which the weights were trained: what an input lacks for whole
    steps, the larger half at the end."""

    def forward(self, images: Tensor) -> Tensor:
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads: list[int] = []
        for side in (images.shape[3], images.shape[2]):
            lack = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            pads += [lack // 2, lack - lack // 2]
        return super().forward(functional.pad(images, pads))


class Block(nn.Module):
    """Expand, convolve each channel by itself, project; around it the input where the shapes allow (MobileNetV2's)."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self._around = stride == 1 and inputs == outputs
        if expansion > 1:
            self._expand_conv = Same(inputs, wide, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(wide, EPSILON)
        self._depthwise_conv = Same(wide, wide, kernel, stride, groups=wide, bias=False)
        self._bn1 = nn.BatchNorm2d(wide, EPSILON)
        self._project_conv = Same(wide, outputs, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(outputs, EPSILON)
        self._widens = expansion > 1

    def forward(self, images: Tensor) -> Tensor:
        x = functional.relu6(self._bn0(self._expand_conv(images))) if self._widens else images
        x = functional.relu6(self._bn1(self._depthwise_conv(x)))
        out: Tensor = self._bn2(self._project_conv(x))
        return out + images if self._around else out


def lite0() -> nn.Sequential:
    """float32 (N, 3, S, S) -> (N, 112, S / 16, S / 16)."""
    blocks, inputs = [], STEM
    for expansion, channels, count, stride, kernel in STAGES:
        for place in range(count):
            blocks.append(Block(inputs, channels, expansion, stride if place == 0 else 1, kernel))
            inputs = channels
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        _conv_stem=Same(3, STEM, 3, 2, bias=False),
        _bn0=nn.BatchNorm2d(STEM, EPSILON),
        relu6=nn.ReLU6(),
        _blocks=nn.Sequential(*blocks),
    )
    return nn.Sequential(layers)

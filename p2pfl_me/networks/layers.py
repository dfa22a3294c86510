"""Layers as tensors of a layout, by the names that torch gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from p2pfl_me.networks.layout import Group, Layout, Shape

Tensor = tuple[str, Shape, Group]
Normalisation = Literal["batch", "group"]
HIDDEN = 128
"""Units of the founding paper's head."""


def layout(*layers: Iterable[Tensor]) -> Layout:
    """The layers' tensors one after the other."""
    tensors = [tensor for layer in layers for tensor in layer]
    return Layout(tuple((name, shape) for name, shape, _ in tensors), tuple(group for _, _, group in tensors))


def convolution(name: str, inputs: int, outputs: int, kernel: int) -> list[Tensor]:
    """`Conv2d` with a bias."""
    return [
        (f"{name}.weight", (outputs, inputs, kernel, kernel), Group.BODY),
        (f"{name}.bias", (outputs,), Group.BODY),
    ]


def dense(name: str, inputs: int, outputs: int, *, last: bool = False) -> list[Tensor]:
    """`Linear` with a bias; the `last` one gives the classes."""
    group = Group.LAST_LAYER if last else Group.BODY
    return [(f"{name}.weight", (outputs, inputs), group), (f"{name}.bias", (outputs,), group)]


def normalised(name: str, channels: int, by: Normalisation) -> list[Tensor]:
    """`BatchNorm2d` with its running statistics, which lie in the vector like what is trained; or `GroupNorm`."""
    kinds = ("weight", "bias", "running_mean", "running_var") if by == "batch" else ("weight", "bias")
    return [(f"{name}.{kind}", (channels,), Group.NORMALISATION) for kind in kinds]


def head(inputs: int, classes: int) -> list[Tensor]:
    """The founding paper's: Dense 128, ReLU, Dense K."""
    return [*dense("dense1", inputs, HIDDEN), *dense("dense2", HIDDEN, classes, last=True)]

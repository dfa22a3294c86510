"""How the trainable parameters lie in one flat float32 vector. No torch here: light commands need it, too."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from p2pfl_me.contract.model import Model
from p2pfl_me.message import Vector
from p2pfl_me.widths import hidden_units

FEATURES = {"vgg16": 4 * 512, "resnet18": 4 * 512, "mobilenet_v3_small": 4 * 576}
"""Values of each backbone's last feature map at 64x64: 2x2 pixels of so many channels."""
BLOCK4 = 8192
"""Values after block 4: 512 channels of 4x4."""
HIDDEN = 128

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Names and shapes of the trainable tensors, in the order in which they lie in the vector."""

    shapes: tuple[tuple[str, Shape], ...]

    @property
    def size(self) -> int:
        """Number of float32 values, P."""
        return sum(math.prod(shape) for _, shape in self.shapes)

    @property
    def dimensions(self) -> tuple[Shape, ...]:
        """The tensors' shapes without their names."""
        return tuple(shape for _, shape in self.shapes)

    @property
    def home(self) -> int:
        """Values of the last layer, which lie last: what stays home in personalised learning."""
        return sum(math.prod(shape) for name, shape in self.shapes if name.startswith("dense2."))

    def narrowed(self, width: float) -> Layout:
        """The layout of the head's first hidden units, ceil(width * 128) of them."""
        units = hidden_units(width, HIDDEN)
        axes = {"dense1.weight": 0, "dense1.bias": 0, "dense2.weight": 1}
        return Layout(
            tuple(
                (name, tuple(units if axes.get(name) == axis else size for axis, size in enumerate(shape)))
                for name, shape in self.shapes
            )
        )

    def digest(self) -> bytes:
        """SHA-256 (32 bytes) of names and shapes: peers mix only what is laid out alike."""
        return hashlib.sha256(json.dumps(self.shapes).encode()).digest()

    def views(self, params: Vector) -> Mapping[str, Vector]:
        """The tensors as views of `params`, float32 (P,): writing to one writes to the vector."""
        out: dict[str, Vector] = {}
        begin = 0
        for name, shape in self.shapes:
            end = begin + math.prod(shape)
            out[name] = params[begin:end].reshape(shape)
            begin = end
        return out


def layout_of(model: Model) -> Layout:
    """The layout of a contract's model: 263,175 values for `head` with seven classes, 7,342,599 for `block5`."""
    classes = len(model.classes)
    head: tuple[tuple[str, Shape], ...] = (
        ("dense1.weight", (HIDDEN, FEATURES[model.backbone])),
        ("dense1.bias", (HIDDEN,)),
        ("dense2.weight", (classes, HIDDEN)),
        ("dense2.bias", (classes,)),
    )
    if model.trainable == "head":
        return Layout(head)
    convolutions: list[tuple[str, Shape]] = []
    for index in (1, 2, 3):
        convolutions += [(f"conv5_{index}.weight", (512, 512, 3, 3)), (f"conv5_{index}.bias", (512,))]
    return Layout((*convolutions, *head))


def input_width(model: Model) -> int:
    """Values of one cached sample: what the frozen layers hand to the trainable ones."""
    return FEATURES[model.backbone] if model.trainable == "head" else BLOCK4

"""What a network is to the rest of the house, whichever it is: the base of every file in `kinds/`."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from p2pfl_me.choice.registry import Choice
from p2pfl_me.networks.layout import Layout

if TYPE_CHECKING:
    from torch import nn

SMALLEST, LARGEST = 8, 256
"""Sides in pixels of the inputs that any network takes."""


@dataclass(frozen=True)
class Use:
    """What of a contract shapes a network: its outputs, the side of its input in pixels, what is trained of it."""

    classes: int
    side: int
    trainable: str = ""


class Step(StrEnum):
    """How a network is trained; each stands for one class of `learning`."""

    HEAD = "head"
    """By hand: the founding paper's head on whatever lies in the bank."""
    BLOCK5 = "block5"
    """By autograd: VGG16's last block and the head on what its fourth gave."""
    STREAMS = "streams"
    """By hand: STSTNet's streams."""
    MODULE = "module"
    """By autograd: the module itself, whatever it is."""


class Network(Choice):
    """One network with its options. Subclasses say what is trained of it and how that lies in the vector."""

    what: ClassVar[str] = "network"
    by_name_alone: ClassVar[bool] = True
    about: ClassVar[str] = ""
    """In a line: what it is, and whose."""
    side: ClassVar[int] = 64
    """Its own input, in pixels; `model.input_size` may ask for another where `refusal` allows it."""
    trainables: ClassVar[tuple[str, ...]] = ("all",)
    """What `model.trainable` may say, the default first."""
    frozen: ClassVar[bool] = False
    """Whether frozen layers, whose weights `model.weights` names, stand before what is trained."""

    def refusal(self, side: int) -> str | None:
        """Why it cannot take images of this side, or None."""
        if SMALLEST <= side <= LARGEST:
            return None
        return f"takes images of {SMALLEST} to {LARGEST} pixels a side"

    def shape(self, use: Use) -> tuple[int, ...]:
        """Of one sample as it is trained on, without the batch; its values in this order are a row of the bank."""
        return (3, use.side, use.side)

    def layout(self, use: Use) -> Layout:
        """How what is trained and sent lies in the vector."""
        raise self.unfinished("layout")

    def step(self, use: Use) -> Step:
        """How it is trained."""
        raise self.unfinished("step")

    def slices(self, use: Use) -> bool:
        """Whether peers may hold a part of it: the head's first hidden units (`peers.widths`)."""
        return self.step(use) is Step.HEAD

    def require(self) -> object:
        """See, before anything begins, that it can be built here."""
        return None

    def inputs(self, use: Use) -> int:
        """Values of one row of the bank."""
        return math.prod(self.shape(use))


class Whole(Network):
    """A network that is trained whole: in the bank lie images, and each step goes through all layers."""

    @property
    def carried_by(self) -> tuple[str, ...]:
        return "layout", "module"

    def module(self, use: Use, dropout: float) -> nn.Module:
        """float32 (N, *shape) -> class scores (N, K); its trained tensors bear the layout's names."""
        raise self.unfinished("module")

    def step(self, use: Use) -> Step:
        return Step.MODULE

    @property
    def identity(self) -> Hashable:
        """What tells two of equal options apart: a user's code."""
        return None


@dataclass(frozen=True)
class Packaged:
    """ImageNet's weights as an installed package brings them: the file, and the SHA-256 (hex) that it has."""

    file: Path
    sha256: str


class Frozen(Network):
    """A published network, cut off after a feature map and frozen, before the founding paper's head."""

    trainables: ClassVar[tuple[str, ...]] = ("head",)
    frozen: ClassVar[bool] = True
    stride: ClassVar[int] = 32
    """Pixels of the input for one of the last feature map."""
    channels: ClassVar[int]
    prefix: ClassVar[str] = ""
    """Before its tensors' names in torchvision's whole state dict."""
    imagenet: ClassVar[str] = ""
    """The name of torchvision's weights; none where a package brings them."""
    weights_of: ClassVar[str] = "torchvision's IMAGENET1K_V1"
    """Whose ImageNet weights they are, in words."""
    key: ClassVar[str]
    """Of the copy that is kept of them."""

    @property
    def carried_by(self) -> tuple[str, ...]:
        return "layout", "step", "cut"

    def features(self, use: Use) -> int:
        """Values of the last feature map."""
        return self.channels * (use.side // self.stride) ** 2

    def refusal(self, side: int) -> str | None:
        if side % self.stride == 0 and 0 < side <= LARGEST:
            return None
        return f"takes images whose side is a multiple of {self.stride} pixels, up to {LARGEST}"

    def shape(self, use: Use) -> tuple[int, ...]:
        return (self.features(use),)

    def cut(self, torchvision: Any) -> Any:
        """Its layers up to the feature map, out of torchvision's models or of our own."""
        raise self.unfinished("cut")

    def packaged(self) -> Packaged | None:
        """ImageNet's weights in an installed package; None where they are torchvision's.

        Raises
        ------
        WeightsError
            The package is not installed.
        """
        return None

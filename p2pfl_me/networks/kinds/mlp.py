"""The founding paper's head on the input's own pixels: Dropout, Dense 128, ReLU, Dropout, Dense K."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, ClassVar, Literal

from p2pfl_me.networks import layers
from p2pfl_me.networks.layout import Layout
from p2pfl_me.networks.network import Step, Use, Whole

if TYPE_CHECKING:
    from torch import nn


class Mlp(Whole):
    about: ClassVar[str] = "one hidden layer of 128 on the pixels: what any backbone has to beat"
    side: ClassVar[int] = 28
    kind: Literal["mlp"] = "mlp"

    def layout(self, use: Use) -> Layout:
        return layers.layout(layers.head(self.inputs(use), use.classes))

    def step(self, use: Use) -> Step:
        return Step.HEAD

    def module(self, use: Use, dropout: float) -> nn.Module:
        from torch import nn

        return nn.Sequential(
            OrderedDict(
                flatten=nn.Flatten(),
                drop1=nn.Dropout(dropout),
                dense1=nn.Linear(self.inputs(use), layers.HIDDEN),
                relu=nn.ReLU(),
                drop2=nn.Dropout(dropout),
                dense2=nn.Linear(layers.HIDDEN, use.classes),
            )
        )

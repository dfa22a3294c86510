"""How what a contract trains lies in one flat float32 vector. No torch here: light commands need it, too."""

from __future__ import annotations

from p2pfl_me.contract.model import Model
from p2pfl_me.networks.layers import HIDDEN
from p2pfl_me.networks.layout import Group, Layout, Ranges, Shape

__all__ = ["HIDDEN", "Group", "Layout", "Ranges", "Shape", "input_width", "layout_of"]


def layout_of(model: Model) -> Layout:
    """A contract's layout: 263,175 values for VGG16's head of seven classes, 1,715 for STSTNet of three."""
    return model.layout


def input_width(model: Model) -> int:
    """Values of one row of the bank: what the frozen layers hand to the trained ones, or an image."""
    return model.backbone.inputs(model.use)

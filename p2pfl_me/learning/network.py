"""The founding paper's network: VGG16's convolutions at 64x64x3, Flatten, Dropout, Dense 128, ReLU, Dropout, Dense K.

14,977,863 parameters for seven classes; or another backbone before the same head. As one module it is for export and
for reading; training runs on its two halves, the frozen layers (`features`) and the trainable vector (`layout`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import Model
from p2pfl_me.learning.architectures import architecture_of
from p2pfl_me.learning.backbone import load_backbone
from p2pfl_me.learning.layout import FEATURES, HIDDEN, layout_of
from p2pfl_me.message import Vector

BLOCK4_END = 24
"""Layers of torchvision's VGG16 `features` up to and with the pooling of block 4."""
BLOCK5 = {1: 24, 2: 26, 3: 28}
"""Index of conv5_k in torchvision's VGG16 `features`."""


class Network(nn.Module):
    """The whole network: (N, 3, 64, 64) -> class scores (N, K)."""

    def __init__(self, model: Model, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = architecture_of(model.backbone).build()
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.dense1 = nn.Linear(FEATURES[model.backbone], HIDDEN)
        self.dense2 = nn.Linear(HIDDEN, len(model.classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.dropout(self.flatten(self.features(images)))
        out: Tensor = self.dense2(self.dropout(torch.relu(self.dense1(x))))
        return out


def initial_params(contract: Contract, *, cache: Path, weights: Path | None = None) -> Vector:
    """The vector that all peers start from, float32 (P,).

    Dense layers are Glorot-uniform with zero biases, as Keras draws them in the founding paper; block 5 is the
    backbone's.

    Raises
    ------
    WeightsError
        The backbone of `block5` cannot be had.
    """
    layout = layout_of(contract.model)
    random = np.random.default_rng(derive_seed(contract.seed, "init"))
    params = np.zeros(layout.size, dtype=np.float32)
    backbone = None
    for name, view in layout.views(params).items():
        if name.startswith("conv5_"):
            backbone = backbone or load_backbone(contract, cache=cache, weights=weights).tensors
            layer, kind = name.split(".")
            view[...] = backbone[f"{BLOCK5[int(layer[-1])]}.{kind}"]
        elif name.endswith(".weight"):
            outputs, inputs = view.shape
            limit = np.sqrt(6 / (inputs + outputs))
            view[...] = random.uniform(-limit, limit, size=view.shape)
    return params


def assemble(contract: Contract, params: Vector, *, cache: Path, weights: Path | None = None) -> Network:
    """The whole network with a trained vector in its place."""
    network = Network(contract.model, contract.training.dropout)
    state = {
        f"features.{k}": torch.from_numpy(v.copy())
        for k, v in load_backbone(contract, cache=cache, weights=weights).tensors.items()
    }
    for name, view in layout_of(contract.model).views(params).items():
        layer, kind = name.split(".")
        target = f"features.{BLOCK5[int(layer[-1])]}" if layer.startswith("conv5_") else layer
        state[f"{target}.{kind}"] = torch.from_numpy(view.copy())
    left_out = network.load_state_dict(state, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in left_out.missing_keys) and not left_out.unexpected_keys
    return network.eval()

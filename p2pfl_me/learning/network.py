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
from p2pfl_me.learning.steps import whole_module
from p2pfl_me.message import Vector
from p2pfl_me.networks import Frozen, Group
from p2pfl_me.networks.kinds.own import Own
from p2pfl_me.networks.layers import HIDDEN
from p2pfl_me.networks.layout import Layout

BLOCK4_END = 24
"""Layers of torchvision's VGG16 `features` up to and with the pooling of block 4."""
BLOCK5 = {1: 24, 2: 26, 3: 28}
"""Index of conv5_k in torchvision's VGG16 `features`."""


class Network(nn.Module):
    """A backbone with the head: (N, 3, S, S) -> class scores (N, K)."""

    def __init__(self, model: Model, dropout: float = 0.5) -> None:
        super().__init__()
        assert isinstance(model.backbone, Frozen), f"{model.backbone} is trained whole"
        self.features = architecture_of(model.backbone.kind).build()
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.dense1 = nn.Linear(model.backbone.features(model.use), HIDDEN)
        self.dense2 = nn.Linear(HIDDEN, len(model.classes))

    def forward(self, images: Tensor) -> Tensor:
        x = self.dropout(self.flatten(self.features(images)))
        out: Tensor = self.dense2(self.dropout(torch.relu(self.dense1(x))))
        return out


def initial_params(contract: Contract, *, cache: Path, weights: Path | None = None) -> Vector:
    """The vector that all peers start from, float32 (P,).

    The head's dense layers are Glorot-uniform with zero biases, as Keras draws them in the founding paper; block 5 is
    the backbone's; the layers of a network that is trained whole are drawn as torch draws them, by numpy, so that no
    version of torch decides where peers start. A user's own network starts as its builder draws it.

    Raises
    ------
    WeightsError
        The backbone of `block5` cannot be had.
    """
    layout, network = contract.model.layout, contract.model.backbone
    if isinstance(network, Own):
        state = network.built(contract.model.use, derive_seed(contract.seed, "init")).state_dict()
        flat = [state[name].detach().numpy().ravel() for name, _ in layout.shapes]
        return np.concatenate(flat).astype(np.float32, copy=False)
    random = np.random.default_rng(derive_seed(contract.seed, "init"))
    params = np.zeros(layout.size, dtype=np.float32)
    if not _has_paper_head(layout):
        _draw_as_torch(layout, params, random)
        return params
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


def _has_paper_head(layout: Layout) -> bool:
    return "dense2.weight" in dict(layout.shapes) and "fc.weight" not in dict(layout.shapes)


def _draw_as_torch(layout: Layout, params: Vector, random: np.random.Generator) -> None:
    """Kernels and biases uniform within 1 / sqrt(fan-in); normalisation scales and variances one, all else zero."""
    views = layout.views(params)
    for (name, view), group in zip(views.items(), layout.groups, strict=True):
        if group is Group.NORMALISATION:
            view[...] = name.endswith((".weight", ".running_var"))
            continue
        kernel = views[f"{name.rpartition('.')[0]}.weight"]
        limit = 1 / np.sqrt(np.prod(kernel.shape[1:]))
        view[...] = random.uniform(-limit, limit, size=view.shape)


def assemble(contract: Contract, params: Vector, *, cache: Path, weights: Path | None = None) -> nn.Module:
    """The whole network with a trained vector in its place: (N, 3, S, S) -> class scores (N, K)."""
    model = contract.model
    trained = {name: torch.from_numpy(view.copy()) for name, view in model.layout.views(params).items()}
    if not model.backbone.frozen:
        module = whole_module(model, contract.training.dropout)
        left_out = module.load_state_dict(trained, strict=False)
        assert not left_out.unexpected_keys
        return module.eval()
    network = Network(model, contract.training.dropout)
    state = {
        f"features.{k}": torch.from_numpy(v.copy())
        for k, v in load_backbone(contract, cache=cache, weights=weights).tensors.items()
    }
    for name, tensor in trained.items():
        layer, kind = name.split(".")
        target = f"features.{BLOCK5[int(layer[-1])]}" if layer.startswith("conv5_") else layer
        state[f"{target}.{kind}"] = tensor
    left_out = network.load_state_dict(state, strict=False)
    assert all(name.endswith("num_batches_tracked") for name in left_out.missing_keys) and not left_out.unexpected_keys
    return network.eval()

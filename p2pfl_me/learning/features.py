"""What is trained on, computed once per image and kept in a cache of rows, float32 (D,): the frozen layers' output, or,
of a network that is trained whole, the image itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from p2pfl_me.contract import Contract
from p2pfl_me.data.row_cache import RowCache
from p2pfl_me.errors import WeightsError
from p2pfl_me.learning.backbone import Backbone, load_backbone
from p2pfl_me.learning.device import pick_device
from p2pfl_me.learning.network import BLOCK4_END
from p2pfl_me.message import Vector

BATCH = 32
KEY = 32
VGG16_SIDE = 64
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's channel statistics, by which all networks take their input: flow at rest lies near 0."""

Image = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]


def feature_rows(
    contract: Contract,
    images: Sequence[tuple[bytes, Callable[[], Image]]],
    *,
    cache: Path,
    weights: Path | None = None,
    device: str = "auto",
    progress: Progress | None = None,
) -> tuple[Vector, npt.NDArray[np.int64]]:
    """The bank float32 (N, D) and the row of each image, int64 (n,); what is missing is computed first.

    Parameters
    ----------
    images:
        (content digest, loader of the uint8 (S, S, 3) RGB image) pairs, S the contract's `model.input_size`.
    progress:
        Called with (done, total) of what had to be computed.
    """
    model = contract.model
    if model.backbone.frozen:
        backbone = load_backbone(contract, cache=cache, weights=weights)
        # Features of 64 pixels, which had no other beside them once, keep their name.
        side = "" if model.input_size == VGG16_SIDE else f"{model.input_size}-"
        name = f"features-{model.trainable}-{side}{backbone.digest.hex()[:24]}"
        make: Callable[[], nn.Module] = partial(frozen_layers, backbone, model.trainable)
    else:
        if weights is not None:
            raise WeightsError(
                f"{model.backbone} takes no weights of frozen layers", where=str(weights), fix="leave --weights out"
            )
        name, make = f"pixels-{model.input_size}", nn.Identity
    store = RowCache(cache, name, (model.input_width,), "<f4", what="feature cache")
    keys = [key for key, _ in images]
    index = store.index()
    if any(key not in index for key in keys):
        with store.writing():
            index = store.index()
            missing = {key: load for key, load in images if key not in index}
            _compute(make(), store, missing, pick_device(device), progress)
        index = store.index()
    return store.bank(), np.array([index[key] for key in keys], dtype=np.int64)


def _compute(
    module: nn.Module,
    store: RowCache,
    missing: dict[bytes, Callable[[], Image]],
    device: torch.device,
    progress: Progress | None,
) -> None:
    layers = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    todo = list(missing.items())
    for begin in range(0, len(todo), BATCH):
        part = todo[begin : begin + BATCH]
        batch = normalise(np.stack([load() for _, load in part])).to(device)
        with torch.inference_mode():
            rows = layers(batch.contiguous(memory_format=torch.channels_last)).cpu().contiguous().flatten(1)
        store.append([key for key, _ in part], rows.numpy())
        if progress:
            progress(begin + len(part), len(todo))


def frozen_layers(backbone: Backbone, trainable: str) -> nn.Sequential:
    """All of the backbone for `head`, VGG16's blocks 1 to 4 for `block5`; evaluation only."""
    layers = backbone.architecture.build()
    tensors = {name: torch.from_numpy(value) for name, value in backbone.tensors.items()}
    layers.load_state_dict(tensors, assign=True, strict=False)
    frozen = layers if trainable == "head" else nn.Sequential(*list(layers)[:BLOCK4_END])
    return frozen.eval().requires_grad_(False)


def normalise(images: Image) -> Tensor:
    """uint8 (N, H, W, 3) RGB -> float32 (N, 3, H, W) with ImageNet's mean 0 and deviation 1."""
    scaled = torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255)
    return scaled.sub_(torch.tensor(MEAN).view(3, 1, 1)).div_(torch.tensor(DEVIATION).view(3, 1, 1))

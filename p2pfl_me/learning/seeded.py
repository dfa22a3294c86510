"""Backbone weights drawn from a seed, such that the features of different clips differ."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from p2pfl_me.learning.architectures import Architecture
from p2pfl_me.message import Vector

IMAGES, SIZE = 32, 64
"""Drawn images that the normalisation layers are set by, and their sides in pixels."""


def seeded_tensors(architecture: Architecture, seed: int) -> dict[str, Vector]:
    """He-normal (fan-in) kernels whose filters sum to zero, and zero biases.

    With plain He kernels the positive mean of ReLU activations grows from layer to layer until all images look alike
    (correlation 0.98 between the features of different clips); filters that sum to zero let it through nowhere.
    """
    random = np.random.default_rng(seed)
    out: dict[str, Vector] = {}
    for name, shape in architecture.shapes.items():
        if len(shape) == 4:
            deviation = np.float32(math.sqrt(2 / math.prod(shape[1:])))
            kernels = random.standard_normal(shape, dtype=np.float32)
            out[name] = (kernels - kernels.mean(axis=(1, 2, 3), keepdims=True)) * deviation
        else:
            # Of a normalisation layer: scale and variance one, shift and mean zero.
            out[name] = np.full(shape, name.endswith(("weight", "running_var")), dtype=np.float32)
    if any(name.endswith("running_var") for name in out):
        _set_variances(architecture, out, seed)
    return out


def _set_variances(architecture: Architecture, tensors: dict[str, Vector], seed: int) -> None:
    """Let each normalisation layer scale what drawn images give it to a mean square of one, and take off nothing.

    Taking the images' mean off, as in training, would add what is no longer there in quieter inputs: a constant that
    all clips share (correlation 0.96 between the flow features of MobileNet, and 0.03 without). In float64, so that
    rounding to float32 gives the same bits on all machines.
    """
    layers = architecture.build()
    layers.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()}, strict=False)
    layers.double().eval().requires_grad_(False)
    named = {module: name for name, module in layers.named_modules() if isinstance(module, nn.BatchNorm2d)}

    def measure(module: nn.BatchNorm2d, inputs: tuple[Tensor]) -> None:
        squares = inputs[0].square().mean(dim=(0, 2, 3))
        tensors[f"{named[module]}.running_var"] = squares.float().numpy()
        assert module.running_var is not None
        module.running_var.copy_(squares.float())

    for module in named:
        module.register_forward_pre_hook(measure)
    layers(torch.from_numpy(_drawn_images(seed)))


def _drawn_images(seed: int) -> Vector:
    """Noise with the spectrum of natural images, amplitude 1/f (Field, 1987), deviation 1: float64 (n, 3, S, S)."""
    frequency = np.fft.fftfreq(SIZE)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    radius[0, 0] = np.inf
    white = np.random.default_rng([seed, 1]).standard_normal((IMAGES, 3, SIZE, SIZE))
    images = np.fft.ifft2(np.fft.fft2(white) / radius).real
    return np.asarray(images / images.std(axis=(2, 3), keepdims=True))

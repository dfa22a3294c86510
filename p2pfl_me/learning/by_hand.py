"""What steps that are written by hand have in common: parameters in place, gradients and Adam from begin to end."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from p2pfl_me.learning.adam import Adam
from p2pfl_me.learning.losses import Loss
from p2pfl_me.networks.layout import Layout


class HandStep(ABC):
    """Forward, backward and update of one network, on the views that its layout has into a flat vector.

    Parameters
    ----------
    dropout:
        Probability of dropping a value, rounded to 1/256: one random byte a value decides.
    """

    def __init__(self, layout: Layout, dropout: float, loss: Loss) -> None:
        self._layout, self._loss = layout, loss
        self._threshold = round(dropout * 256)
        self._scale = 256 / (256 - self._threshold)
        self._p: dict[str, Tensor] = {}
        self._g: dict[str, Tensor] = {}
        self._grads = torch.empty(0)
        self._adam: Adam | None = None

    def attach(self, params: Tensor) -> None:
        """Compute with `params`, float32 (P,) on the device, without copying them."""
        self._p = self._views(params)

    def begin(self, params: Tensor, learning_rate: float, steps: int) -> None:
        """Train `params` in place for `steps` steps: gradients and Adam's fresh moments live until `end`."""
        self.attach(params)
        self._grads = torch.zeros_like(params)  # what no step writes stays zero, which moves nothing
        self._g = self._views(self._grads)
        self._adam = Adam([params], learning_rate, steps)

    def end(self) -> None:
        """Give up what `begin` made."""
        self._g, self._grads, self._adam = {}, torch.empty(0), None

    def update(self) -> None:
        """Take Adam's step along the gradients of `forward_backward`."""
        assert self._adam is not None
        with torch.inference_mode():
            self._adam.step([self._grads])

    def forward_backward(self, features: Tensor, rows: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """Fill the gradients for the samples in `rows` of `features`, int64 (B,) as their `labels`.

        Returns their mean loss as a scalar tensor.
        """
        with torch.inference_mode():  # nothing here is for autograd, and its bookkeeping takes a twentieth of the time
            return self._forward_backward(features, rows, labels, random)

    @abstractmethod
    def _forward_backward(self, features: Tensor, rows: Tensor, labels: Tensor, random: torch.Generator) -> Tensor: ...

    @abstractmethod
    def logits(self, features: Tensor) -> Tensor:
        """Class scores without dropout, float32 (N, K)."""

    def _views(self, params: Tensor) -> dict[str, Tensor]:
        """The tensors that the steps work on, as views of `params`."""
        return tensors(self._layout, params)


def tensors(layout: Layout, flat: Tensor) -> dict[str, Tensor]:
    """The layout's tensors as views of `flat`, float32 (P,)."""
    sizes = [torch.Size(shape) for _, shape in layout.shapes]
    parts = torch.split(flat, [size.numel() for size in sizes])
    return {name: part.view(shape) for (name, shape), part in zip(layout.shapes, parts, strict=True)}

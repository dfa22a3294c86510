"""Block 5 and the head on cached block-4 features, by autograd; parameters and gradients are one flat vector each."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from p2pfl_me.learning.adam import Adam
from p2pfl_me.learning.head import tensors
from p2pfl_me.learning.layout import Layout
from p2pfl_me.message import Vector


class BlockStep:
    """Conv5_1 to conv5_3 with ReLU, max pooling, Flatten, and the head. Interface as in `head.HeadStep`."""

    def __init__(self, layout: Layout, dropout: float, class_weights: Tensor | None, device: torch.device) -> None:
        self._dropout, self._weights = dropout, class_weights
        self._params = torch.empty(layout.size, device=device)
        self._grads = torch.zeros(layout.size, device=device)
        # Leaves that share the flat vectors: backward adds into one, Adam updates the other, nothing is copied.
        self._p = {name: view.requires_grad_() for name, view in tensors(layout, self._params.detach()).items()}
        for name, view in tensors(layout, self._grads).items():
            self._p[name].grad = view

    def load(self, params: Vector) -> None:
        with torch.no_grad():
            self._params.copy_(torch.from_numpy(params))

    def params(self) -> Vector:
        """A copy of the parameters, float32 (P,)."""
        out: Vector = self._params.cpu().numpy().copy()
        return out

    def optimiser(self, learning_rate: float) -> Adam:
        return Adam(self._params, self._grads, learning_rate)

    def forward_backward(self, features: Tensor, labels: Tensor, index: Tensor, random: torch.Generator) -> Tensor:
        """Fill the gradients for the samples `index` (B,) and return the mean loss as a scalar tensor."""
        self._grads.zero_()
        logits = self._network(features[index], random)
        loss = functional.cross_entropy(logits, labels[index], weight=self._weights)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def logits(self, features: Tensor) -> Tensor:
        """Class scores without dropout, float32 (N, K)."""
        with torch.no_grad():
            return self._network(features, None)

    def _network(self, features: Tensor, random: torch.Generator | None) -> Tensor:
        p = self._p
        x = features.view(-1, 512, 4, 4)
        for index in (1, 2, 3):
            x = functional.conv2d(x, p[f"conv5_{index}.weight"], p[f"conv5_{index}.bias"], padding=1).relu()
        x = functional.max_pool2d(x, 2).flatten(1)
        x = functional.linear(self._drop(x, random), p["dense1.weight"], p["dense1.bias"]).relu()
        return functional.linear(self._drop(x, random), p["dense2.weight"], p["dense2.bias"])

    def _drop(self, x: Tensor, random: torch.Generator | None) -> Tensor:
        """Dropout with a generator of its own: torch's takes the global one, which other threads may use."""
        if random is None or self._dropout == 0:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self._dropout, generator=random)
        return x * keep.div_(1 - self._dropout)

"""Block 5 and the head on cached block-4 features, by autograd on views of one flat vector of parameters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from p2pfl_me.learning.adam import Adam
from p2pfl_me.learning.by_hand import tensors
from p2pfl_me.learning.losses import Loss
from p2pfl_me.networks.layout import Layout


class BlockStep:
    """Conv5_1 to conv5_3 with ReLU, max pooling, Flatten, and the head. Interface as in `by_hand.HandStep`.

    `shape` is that of one sample after block 4: (512, S / 16, S / 16).
    """

    def __init__(self, layout: Layout, shape: tuple[int, ...], dropout: float, loss: Loss) -> None:
        self._layout, self._shape, self._dropout, self._loss = layout, shape, dropout, loss
        self._p: dict[str, Tensor] = {}
        self._adam: Adam | None = None

    def attach(self, params: Tensor) -> None:
        self._p = tensors(self._layout, params)

    def begin(self, params: Tensor, learning_rate: float, steps: int) -> None:
        # Leaves that share the flat vector: Adam updates it through them, and nothing is copied.
        views = tensors(self._layout, params)
        self._p = {name: view.detach().requires_grad_() for name, view in views.items()}
        self._adam = Adam(list(views.values()), learning_rate, steps)

    def end(self) -> None:
        self._p, self._adam = {}, None

    def forward_backward(self, features: Tensor, rows: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """Compute the gradients for the samples in `rows`, int64 (B,) as their `labels`; return their mean loss."""
        for leaf in self._p.values():
            leaf.grad = None  # then backward hands over its own memory instead of adding to ours
        logits = self._network(features[rows], random)
        loss = self._loss.by_autograd(logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def update(self) -> None:
        """Take Adam's step along the gradients of `forward_backward`."""
        assert self._adam is not None
        self._adam.step([leaf.grad for leaf in self._p.values() if leaf.grad is not None])

    def logits(self, features: Tensor) -> Tensor:
        """Class scores without dropout, float32 (N, K)."""
        with torch.no_grad():
            return self._network(features, None)

    def _network(self, features: Tensor, random: torch.Generator | None) -> Tensor:
        p = self._p
        x = features.view(-1, *self._shape)
        for index in (1, 2, 3):
            x = functional.conv2d(x, p[f"conv5_{index}.weight"], p[f"conv5_{index}.bias"], padding=1).relu()
        x = functional.max_pool2d(x, 2).flatten(1)
        x = functional.linear(self._drop(x, random), p["dense1.weight"], p["dense1.bias"]).relu()
        return functional.linear(self._drop(x, random), p["dense2.weight"], p["dense2.bias"])

    def _drop(self, x: Tensor, random: torch.Generator | None) -> Tensor:
        """Dropout with a generator of its own: torch's takes the global one, which other threads may use."""
        if random is None or self._dropout == 0:
            return x
        keep = torch.empty_like(x, device=random.device).bernoulli_(1 - self._dropout, generator=random).to(x.device)
        return x * keep.div_(1 - self._dropout)

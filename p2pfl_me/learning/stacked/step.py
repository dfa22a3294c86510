"""What the stacked trainer needs of a network, and the tensors of many models as views of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from p2pfl_me.networks.layout import Layout


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's samples of n learners, B of each at most.

    `features` float32 (n, B, D) may be overwritten; `labels` int64 (n, B); `sizes` int64 (n,); `valid` float32 (n, B)
    is 1 for a learner's own samples and 0 where the batch is only filled up, None where all count; `weights` float32
    (n, K) of the classes, or None; `words` int64 (n, W) are random bits.
    """

    features: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)
    sizes: Tensor = field(repr=False)
    valid: Tensor | None = field(repr=False)
    weights: Tensor | None = field(repr=False)
    words: Tensor = field(repr=False)


class StackedStep(Protocol):
    """Forward and backward of many models; stateless."""

    def words(self, size: int) -> int:
        """64-bit words of random bits that a step on so many samples takes."""
        ...

    def bytes_of(self, batch: int) -> int:
        """Of memory that a learner's step takes, its parameters left out."""
        ...

    def prepare(self, models: Tensor) -> None:
        """Before a round's first step on `models`, float32 (n, P)."""
        ...

    def forward_backward(self, models: Tensor, grads: Tensor, batch: Batch) -> Tensor:
        """Fill `grads`, float32 (n, P) as the `models`, which were zero where nothing is trained; losses (n,)."""
        ...

    def logits(self, models: Tensor, features: Tensor) -> Tensor:
        """Class scores without dropout, float32 (n, T, K), of `features` (T, D) that all are asked about."""
        ...


def stacked_tensors(layout: Layout, flat: Tensor) -> dict[str, Tensor]:
    """The layout's tensors as views (n, *shape) of `flat`, float32 (n, P)."""
    sizes = [torch.Size(shape) for _, shape in layout.shapes]
    parts: list[Tensor] = list(torch.split(flat, [size.numel() for size in sizes], dim=1))
    return {name: part.view(len(flat), *shape) for (name, shape), part in zip(layout.shapes, parts, strict=True)}


def kept(words: Tensor, begin: Tensor | int, length: int, threshold: int) -> Tensor:
    """Which of `length` values a learner keeps, bool (n, length): one random byte each, from byte `begin` (n,) on."""
    octets = words.view(torch.uint8)
    if isinstance(begin, int):
        return octets[:, begin : begin + length] >= threshold
    places = begin[:, None] + torch.arange(length, device=words.device)
    return octets.gather(1, places.clamp_(max=octets.shape[1] - 1)) >= threshold

"""Adam for many learners with fresh moments each round; learners of equal steps are one tensor to it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from p2pfl_me.learning.adam import BETAS, EPSILON


class StackedAdam:
    """`learning.adam.Adam` over rows.

    Parameters
    ----------
    models:
        float32 (n, S), contiguous; updated in place.
    runs:
        Rows that take equally many steps: where each run of them ends, rising.
    steps:
        That each run takes in the round; moments are kept only where one takes several.
    """

    def __init__(self, models: Tensor, runs: Sequence[int], steps: Sequence[int], learning_rate: float) -> None:
        self._bounds = list(zip([0, *runs], runs, strict=False))
        self._models = [models[low:high] for low, high in self._bounds]
        self._rate, self._is_single = learning_rate, max(steps) == 1
        if not self._is_single:
            self._means = [torch.zeros_like(each) for each in self._models]
            self._squares = [torch.zeros_like(each) for each in self._models]
            self._taken = [torch.zeros((), device=models.device) for _ in self._models]

    def step(self, grads: Tensor, runs: int) -> None:
        """Along `grads`, float32 (n, S), which may be overwritten, for the first `runs` runs."""
        along = [grads[low:high] for low, high in self._bounds[:runs]]
        if self._is_single:
            # From fresh moments: x <- x - rate g / (|g| + eps).
            for model, each in zip(self._models, along, strict=False):
                model.addcdiv_(each, each.abs().add_(EPSILON), value=-self._rate)
            return
        for taken in self._taken[:runs]:
            taken.add_(1)
        torch._fused_adam_(
            self._models[:runs],
            along,
            self._means[:runs],
            self._squares[:runs],
            [],
            self._taken[:runs],
            lr=self._rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

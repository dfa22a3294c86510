"""Adam (Kingma and Ba, 2015) with fresh moments for every round, one fused pass a step.

torch's own operator, because the optimiser class imports torch's compiler on first use: 1.5 s and 70 MB in every
peer, for something that is never used here. The functional form around it takes a quarter of the operator's own time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BETAS, EPSILON = (0.9, 0.999), 1e-8
BLOCK = 1 << 16
"""Values updated at a time where the steps are our own: what they touch stays in the cache."""


class Adam:
    """`torch.optim.Adam` with its default betas and epsilon; `params` are updated in place.

    `params` are float32, contiguous, on one device, and stay the same tensors. `steps` is how many a round takes: the
    only one of a round needs no moments, which for a large model saves twice its memory and half of the time.
    """

    def __init__(self, params: Sequence[Tensor], learning_rate: float, steps: int) -> None:
        self._params, self._rate, self._is_single = list(params), learning_rate, steps == 1
        if not self._is_single:
            self._means = [torch.zeros_like(each) for each in params]
            self._squares = [torch.zeros_like(each) for each in params]
            self._steps = [torch.zeros((), device=each.device) for each in params]

    def step(self, grads: Sequence[Tensor]) -> None:
        """Take a step along `grads`, shaped as `params`."""
        if self._is_single:
            for param, grad in zip(self._params, grads, strict=True):
                self._only_step(param.view(-1), grad.reshape(-1))
            return
        for taken in self._steps:
            taken.add_(1)
        torch._fused_adam_(
            self._params,
            list(grads),
            self._means,
            self._squares,
            [],
            self._steps,
            lr=self._rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def _only_step(self, param: Tensor, grad: Tensor) -> None:
        """From fresh moments the corrected mean is g and the corrected square g^2: x <- x - rate g / (|g| + eps)."""
        scratch = torch.empty(min(BLOCK, param.numel()), device=param.device)
        for begin in range(0, param.numel(), BLOCK):
            some, along = param[begin : begin + BLOCK], grad[begin : begin + BLOCK]
            size = torch.abs(along, out=scratch[: along.numel()])
            some.addcdiv_(along, size.add_(EPSILON), value=-self._rate)

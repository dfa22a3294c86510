"""Adam (Kingma and Ba, 2015) over one flat vector, one fused pass a step, with fresh moments for every round.

torch's functional form, because the optimiser class imports torch's compiler on first use: 1.5 s and 70 MB in every
peer, for something that is never used here.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """`torch.optim.Adam` with its default betas and epsilon; `params` is updated in place from `grads`.

    Both are float32 (P,), contiguous, on one device, and stay the same tensors.
    """

    def __init__(self, params: Tensor, grads: Tensor, learning_rate: float) -> None:
        self._params, self._grads, self._rate = [params], [grads], learning_rate
        self._means, self._squares = [torch.zeros_like(params)], [torch.zeros_like(params)]
        self._steps = [torch.zeros((), device=params.device)]

    def step(self) -> None:
        adam(
            self._params,
            self._grads,
            self._means,
            self._squares,
            [],
            self._steps,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )

"""The head on cached features, trained by hand-written steps: the same mathematics as autograd, without its overhead.

Dropout masks come from random bytes (65,536 Bernoulli draws cost half of an eager step), products write into buffers
that stay in the cache, and Adam is fused. `tests/learning` holds it to autograd and to `torch.optim.Adam`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from p2pfl_me.learning.by_hand import HandStep
from p2pfl_me.learning.losses import Loss
from p2pfl_me.networks.layout import Layout


class HeadStep(HandStep):
    """Forward, backward and update of Dropout, Dense 128, ReLU, Dropout, Dense K on batches of at most `batch`.

    Parameters
    ----------
    width:
        Features a sample, D.
    boost:
        Multiplies the hidden units in training: 1 / width for a slice, so that it fits beside the units that it lacks
        (the Scaler of HeteroFL, Diao et al., ICLR 2021, section 3).
    """

    def __init__(
        self,
        layout: Layout,
        width: int,
        batch: int,
        dropout: float,
        loss: Loss,
        device: torch.device,
        boost: float = 1.0,
    ) -> None:
        super().__init__(layout, dropout, loss)
        self._boost = boost
        self._hidden = dict(layout.shapes)["dense1.bias"][0]
        self._x = torch.empty(batch, width, device=device)
        self._h = torch.empty(batch, self._hidden, device=device)
        self._d_h = torch.empty(batch, self._hidden, device=device)
        words = -(-batch * width // 8) + -(-batch * self._hidden // 8)
        words = words if self._threshold else 0
        self._words = torch.empty(words, dtype=torch.int64)  # drawn by the processor, whatever the device
        self._kept = torch.empty(8 * words, device=device)

    def _forward_backward(self, features: Tensor, rows: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        size = rows.shape[0]  # len() of a tensor is a function of Python
        x, h, d_h = self._x[:size], self._h[:size], self._d_h[:size]
        p, g = self._p, self._g
        logits = self._scores(features, rows, random)
        loss, d_logits = self._loss.by_hand(torch.log_softmax(logits, dim=1), labels)
        torch.sum(d_logits, 0, out=g["dense2.bias"])
        d_scaled = d_logits.mul_(self._scale)
        torch.mm(d_scaled.t(), h, out=g["dense2.weight"])
        torch.mm(d_scaled, p["dense2.weight"], out=d_h)
        # One test for both: what ReLU or dropout set to zero passes nothing back.
        d_h.mul_(torch.gt(h, 0, out=h))
        if self._boost != 1:
            d_h.mul_(self._boost)
        torch.sum(d_h, 0, out=g["dense1.bias"])
        torch.mm(d_h.mul_(self._scale).t(), x, out=g["dense1.weight"])
        return loss

    def _scores(self, features: Tensor, rows: Tensor, random: torch.Generator) -> Tensor:
        """Class scores in training, float32 (B, K); what went into either layer stays in `_x` and `_h`."""
        size = rows.shape[0]
        x, h = self._x[:size], self._h[:size]
        torch.index_select(features, 0, rows, out=x)
        p = self._p
        keep_x, keep_h = self._keep(x, h, random)
        if keep_x is not None:
            x.mul_(keep_x)  # the kept values' scale is folded into the product below
        torch.addmm(p["dense1.bias"], x, p["dense1.weight"].t(), alpha=self._scale, out=h)
        h.relu_()
        if keep_h is not None:
            h.mul_(keep_h)
        if self._boost != 1:
            h.mul_(self._boost)
        return torch.addmm(p["dense2.bias"], h, p["dense2.weight"].t(), alpha=self._scale)

    def logits(self, features: Tensor) -> Tensor:
        """Class scores without dropout, float32 (N, K)."""
        p = self._p
        h = torch.addmm(p["dense1.bias"], features, p["dense1.weight"].t()).relu_()
        return torch.addmm(p["dense2.bias"], h, p["dense2.weight"].t())

    def _keep(self, x: Tensor, h: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor] | tuple[None, None]:
        """Masks of the kept values of `x` and `h`, 1 or 0 and shaped as they are; None when nothing is dropped.

        One random byte a value. A mask of floats takes a seventh of the time that one of bools takes to multiply by.
        """
        if self._threshold == 0:
            return None, None
        begin = -(-x.numel() // 8)
        end = begin + -(-h.numel() // 8)
        words = self._words[:end]
        # Full 64-bit range: without bounds, random_ leaves the top bit of int64 unset.
        words.random_(-(2**63), None, generator=random)
        drawn = words.view(torch.uint8).to(self._kept.device)
        kept = torch.ge(drawn, self._threshold, out=self._kept[: 8 * end])
        return kept[: x.numel()].view_as(x), kept[8 * begin : 8 * begin + h.numel()].view_as(h)

"""The head of many models: `learning.head.HeadStep` with a product over models for each of its products."""

from __future__ import annotations

import torch
from torch import Tensor

from p2pfl_me.learning.stacked.losses import StackedLoss
from p2pfl_me.learning.stacked.step import Batch, kept, stacked_tensors
from p2pfl_me.networks.layout import Layout


class StackedHead:
    """Forward and backward of Dropout, Dense, ReLU, Dropout, Dense K. Interface as in `step.StackedStep`."""

    def __init__(self, layout: Layout, width: int, dropout: float, loss: StackedLoss) -> None:
        self._layout, self._width, self._loss = layout, width, loss
        self._hidden = dict(layout.shapes)["dense1.bias"][0]
        self._threshold = round(dropout * 256)
        self._scale = 256 / (256 - self._threshold)

    def words(self, size: int) -> int:
        return -(-size * self._width // 8) + -(-size * self._hidden // 8) if self._threshold else 0

    def bytes_of(self, batch: int) -> int:
        return batch * (self._width * 6 + self._hidden * 16)

    def prepare(self, models: Tensor) -> None:
        pass

    def forward_backward(self, models: Tensor, grads: Tensor, batch: Batch) -> Tensor:
        p, g = stacked_tensors(self._layout, models), stacked_tensors(self._layout, grads)
        x, size = batch.features, batch.features.shape[1]
        keep_h = None
        if self._threshold:
            x.mul_(kept(batch.words, 0, size * self._width, self._threshold).view_as(x))
            # The bits of a batch that is not full lie closer together.
            words = -(-size * self._width // 8) if batch.valid is None else -(-batch.sizes * self._width // 8)
            keep_h = kept(batch.words, 8 * words, size * self._hidden, self._threshold).view(-1, size, self._hidden)
        h = torch.baddbmm(p["dense1.bias"][:, None], x, p["dense1.weight"].mT, alpha=self._scale).relu_()
        if keep_h is not None:
            h.mul_(keep_h)
        logits = torch.baddbmm(p["dense2.bias"][:, None], h, p["dense2.weight"].mT, alpha=self._scale)
        log_softmax = torch.log_softmax(logits, dim=2)
        loss, d_logits = self._loss.by_hand(log_softmax, batch.labels, batch.valid, batch.weights)
        torch.sum(d_logits, 1, out=g["dense2.bias"])
        d_scaled = d_logits.mul_(self._scale)
        torch.bmm(d_scaled.mT, h, out=g["dense2.weight"])
        d_h = torch.bmm(d_scaled, p["dense2.weight"]).mul_(h > 0)
        torch.sum(d_h, 1, out=g["dense1.bias"])
        torch.bmm(d_h.mul_(self._scale).mT, x, out=g["dense1.weight"])
        return loss

    def logits(self, models: Tensor, features: Tensor) -> Tensor:
        p = stacked_tensors(self._layout, models)
        shared = features.expand(len(models), *features.shape)
        h = torch.baddbmm(p["dense1.bias"][:, None], shared, p["dense1.weight"].mT).relu_()
        return torch.baddbmm(p["dense2.bias"][:, None], h, p["dense2.weight"].mT)

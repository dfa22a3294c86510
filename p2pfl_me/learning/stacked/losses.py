"""The training losses of `learning.losses` for many learners at once, by hand with their gradients.

Each learner's loss is divided by the sum of its own batch's class weights. Samples that only fill a batch up have no
share in it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from p2pfl_me.contract.training import Focal, Training


class StackedLoss:
    """Cross-entropy, smoothed or not, or the focal loss.

    Parameters
    ----------
    weights:
        Of the classes, float32 (n, K) by learner, or None for all alike.
    """

    def __init__(self, training: Training) -> None:
        self._gamma = training.loss.gamma if isinstance(training.loss, Focal) else None
        self._smoothing = training.label_smoothing

    def by_hand(
        self, log_softmax: Tensor, labels: Tensor, valid: Tensor | None, weights: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Losses (n,) and gradients by the class scores (n, B, K), of log-probabilities (n, B, K) and `labels` (n, B).

        `valid` is 1 where a sample counts and 0 elsewhere, float32 (n, B), None where all do; it may overwrite
        `log_softmax`.
        """
        chosen = torch.ones_like(log_softmax[..., 0]) if weights is None else weights.gather(1, labels)
        if valid is not None:
            chosen = chosen * valid
        shares = chosen / chosen.sum(1, keepdim=True)
        if self._gamma is None and self._smoothing:
            return self._smoothed(log_softmax, labels, valid, weights, chosen)
        log_p = log_softmax.gather(2, labels[..., None])[..., 0]
        if self._gamma is None:
            loss = -(log_p * shares).sum(1)
        else:
            rest = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).eps)
            powered = rest**self._gamma
            loss = -(powered * log_p * shares).sum(1)
            shares = shares * (powered - self._gamma * log_p.exp() * powered / rest * log_p)
        out = log_softmax.exp_()
        out.scatter_add_(2, labels[..., None], out.new_full((*labels.shape, 1), -1.0))
        return loss, out.mul_(shares[..., None])

    def _smoothed(
        self, log_softmax: Tensor, labels: Tensor, valid: Tensor | None, weights: Tensor | None, chosen: Tensor
    ) -> tuple[Tensor, Tensor]:
        classes = log_softmax.shape[2]
        every = torch.ones_like(log_softmax) if weights is None else weights[:, None, :].expand_as(log_softmax)
        truth = every * (self._smoothing / classes)
        if valid is not None:
            truth = truth * valid[..., None]
        truth = truth.scatter_add(2, labels[..., None], (chosen * (1 - self._smoothing))[..., None])
        truth /= chosen.sum(1)[:, None, None]
        loss = -(log_softmax * truth).sum((1, 2))
        return loss, log_softmax.exp_().mul_(truth.sum(2, keepdim=True)).sub_(truth)


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Summed over the samples, float32 (n,): of class scores (n, T, K) and `labels` (T,)."""
    found = torch.log_softmax(logits, 2).gather(2, labels[None, :, None].expand(len(logits), -1, 1))
    return -found.sum((1, 2))


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """float32 (..., K)."""
    return functional.one_hot(labels, classes).to(torch.float32)

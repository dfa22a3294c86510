"""The training loss twice: by hand, with its gradient, for the head's fast step; and for autograd.

Both divide by the sum of the batch's class weights, as torch's weighted cross-entropy does.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from p2pfl_me.contract.training import Focal, Training


class Loss(Protocol):
    """A mean loss over a batch of labels int64 (B,)."""

    def by_hand(self, log_softmax: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, a scalar, and its gradient by the class scores, float32 (B, K); may overwrite `log_softmax`."""
        ...

    def by_autograd(self, scores: Tensor, labels: Tensor) -> Tensor:
        """The loss of class scores, float32 (B, K), as a scalar that autograd can follow."""
        ...


class CrossEntropy:
    """Cross-entropy with class weights float32 (K,), or None for all alike."""

    def __init__(self, weights: Tensor | None) -> None:
        self._weights = weights

    def by_hand(self, log_softmax: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss = functional.nll_loss(log_softmax, labels, weight=self._weights)
        d_scores = _softmax_minus_truth(log_softmax, labels)
        if self._weights is None:
            return loss, d_scores.mul_(1 / labels.shape[0])
        return loss, d_scores.mul_(_shares(self._weights, labels, d_scores.dtype)[:, None])

    def by_autograd(self, scores: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(scores, labels, weight=self._weights)


class SmoothedCrossEntropy:
    """Label smoothing (Szegedy et al., CVPR 2016): of the truth, a share `smoothing` is spread over all K classes."""

    def __init__(self, weights: Tensor | None, smoothing: float) -> None:
        self._weights, self._smoothing = weights, smoothing

    def by_hand(self, log_softmax: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        size, classes = log_softmax.shape
        weights = log_softmax.new_ones(classes) if self._weights is None else self._weights
        # The weight stands with the class that a term is about, not with the sample's, as in torch.
        truth = weights.mul(self._smoothing / classes).expand(size, classes).clone()
        truth.scatter_add_(1, labels[:, None], weights[labels, None] * (1 - self._smoothing))
        truth.div_(weights[labels].sum())
        loss = -(log_softmax * truth).sum()
        return loss, log_softmax.exp_().mul_(truth.sum(1, keepdim=True)).sub_(truth)

    def by_autograd(self, scores: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(scores, labels, weight=self._weights, label_smoothing=self._smoothing)


class FocalLoss:
    """-(1 - p)^gamma log p of the true class (Lin et al., ICCV 2017): what is learned already weighs little.

    Derived by log p it is (1 - p)^gamma - gamma p (1 - p)^(gamma - 1) log p, so its gradient is cross-entropy's, each
    sample times that factor.
    """

    def __init__(self, weights: Tensor | None, gamma: float) -> None:
        self._weights, self._gamma = weights, gamma

    def by_hand(self, log_softmax: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        shares = _shares(self._weights, labels, log_softmax.dtype)
        log_p = log_softmax.gather(1, labels[:, None])[:, 0]
        p, rest, powered = self._parts(log_p)
        loss = -(powered * log_p * shares).sum()
        factor = powered - self._gamma * p * powered / rest * log_p
        return loss, _softmax_minus_truth(log_softmax, labels).mul_((shares * factor)[:, None])

    def by_autograd(self, scores: Tensor, labels: Tensor) -> Tensor:
        log_p = torch.log_softmax(scores, 1).gather(1, labels[:, None])[:, 0]
        return -(self._parts(log_p)[2] * log_p * _shares(self._weights, labels, scores.dtype)).sum()

    def _parts(self, log_p: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """p, 1 - p and (1 - p)^gamma; 1 - p is kept off zero, where a root has no slope."""
        rest = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).eps)
        return log_p.exp(), rest, rest**self._gamma


def make_loss(training: Training, weights: Tensor | None) -> Loss:
    """The loss that a contract asks for; `weights` float32 (K,) on the device, or None."""
    if isinstance(training.loss, Focal):
        return FocalLoss(weights, training.loss.gamma)
    if training.label_smoothing:
        return SmoothedCrossEntropy(weights, training.label_smoothing)
    return CrossEntropy(weights)


def _shares(weights: Tensor | None, labels: Tensor, dtype: torch.dtype) -> Tensor:
    """Each sample's part of the mean, float32 (B,)."""
    if weights is None:
        return torch.full((len(labels),), 1 / len(labels), dtype=dtype, device=labels.device)
    chosen = weights[labels]
    return chosen / chosen.sum()


def _softmax_minus_truth(log_softmax: Tensor, labels: Tensor) -> Tensor:
    out = log_softmax.exp_()
    return out.scatter_add_(1, labels[:, None], out.new_full((labels.shape[0], 1), -1.0))

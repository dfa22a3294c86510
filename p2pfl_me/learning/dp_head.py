"""DP-SGD's step for the head, by hand. What one sample adds to the gradient of a linear layer is the outer product of
what came in, a, and what comes back, d: its squared norm is |a|^2 |d|^2, and |d|^2 for the bias. So no gradient of a
single sample is ever made: each row of d is scaled to what its sample may add, and one ordinary product sums them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from p2pfl_me.learning.by_hand import tensors
from p2pfl_me.learning.head import HeadStep


class DpHeadStep(HeadStep):
    """`HeadStep` whose gradients are sums over samples, each cut to a norm, on top of what lies in a buffer."""

    _known: tuple[tuple[Tensor, dict[str, Tensor]], ...] = ()
    """The last two buffers with their tensors: steps take turns on two, and to view one takes a twentieth of a step."""

    def onto(self, grads: Tensor) -> None:
        """Gradients are added to `grads`, float32 (P,), where the step's noise lies already."""
        found = next((views for known, views in self._known if known is grads), None)
        if found is None:
            found = tensors(self._layout, grads)
            self._known = (*self._known[-1:], (grads, found))
        self._grads, self._g = grads, found

    def end(self) -> None:
        super().end()
        self._known = ()

    def add(
        self, features: Tensor, rows: Tensor, labels: Tensor, norm: float, shares: Tensor, random: torch.Generator
    ) -> Tensor:
        """Add the samples in `rows` of `features`, int64 (B,), each cut to `norm` and times its share, float32 (B,).

        Returns the sum of their losses as a scalar tensor.
        """
        with torch.inference_mode():
            size, p, g, scale = rows.shape[0], self._p, self._g, self._scale
            logits = self._scores(features, rows, random)
            x, h, d_h = self._x[:size], self._h[:size], self._d_h[:size]
            loss, d_logits = self._loss.by_hand(torch.log_softmax(logits, dim=1), labels)
            d_logits.mul_(size)  # of each sample's own loss, not of their mean
            torch.mm(d_logits, p["dense2.weight"], out=d_h)
            d_h.mul_(h > 0).mul_(scale * self._boost)
            squares = _squares(d_logits) * (_squares(h) * scale**2 + 1) + _squares(d_h) * (_squares(x) * scale**2 + 1)
            cut = (shares * norm / squares.sqrt().clamp_min(norm))[:, None]
            d_logits.mul_(cut)
            d_h.mul_(cut)
            g["dense2.bias"].add_(d_logits.sum(0))
            g["dense2.weight"].addmm_(d_logits.t(), h, alpha=scale)
            g["dense1.bias"].add_(d_h.sum(0))
            g["dense1.weight"].addmm_(d_h.t(), x, alpha=scale)
            return loss.mul(size)


def _squares(rows: Tensor) -> Tensor:
    """Squared norms, float32 (B,)."""
    return rows.square().sum(1)

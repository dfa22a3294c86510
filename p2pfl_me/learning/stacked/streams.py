"""STSTNet of many models: `learning.streams.StreamStep`, a convolution as kernels times unfolded images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from p2pfl_me.learning.stacked.losses import StackedLoss
from p2pfl_me.learning.stacked.step import Batch, kept, stacked_tensors
from p2pfl_me.learning.streams import CHANNELS, EPSILON, MOMENTUM, POOLING
from p2pfl_me.networks.kinds.ststnet import PADDING, POOL, pooled
from p2pfl_me.networks.layout import Layout

KERNEL = 27
"""Values of one: 3 planes of 3x3."""


class StackedStreams:
    """Interface as in `step.StackedStep`. A batch of one sample is normalised by the running statistics."""

    def __init__(self, layout: Layout, side: int, dropout: float, loss: StackedLoss) -> None:
        self._layout, self._side, self._loss = layout, side, loss
        self._seen, self._pooled = side + 2 * PADDING - 2, pooled(side)
        self._threshold = round(dropout * 256)
        self._scale = 256 / (256 - self._threshold)

    def words(self, size: int) -> int:
        return -(-size * CHANNELS * self._pooled**2 // 8) if self._threshold else 0

    def bytes_of(self, batch: int) -> int:
        return 4 * batch * self._seen**2 * (2 * KERNEL + 5 * CHANNELS)

    def prepare(self, models: Tensor) -> None:
        self._views(models)["var"].clamp_(min=0)  # momentum and compression may have taken it below

    def forward_backward(self, models: Tensor, grads: Tensor, batch: Batch) -> Tensor:
        p, g = self._views(models), self._views(grads)
        count, size = batch.labels.shape
        unfolded = self._unfolded(batch.features.flatten(0, 1))  # (n B, 28, L)
        kernels = torch.cat((p["kernels"], p["bias"][:, :, None]), 2)[:, None].expand(-1, size, -1, -1).flatten(0, 1)
        seen = (
            torch.bmm(kernels, unfolded).view(count, size, CHANNELS, -1).relu_()
        )  # (n, B, C, L): pixels of all samples
        if batch.valid is not None:
            seen.mul_(batch.valid[:, :, None, None])  # what is 0 here adds to no sum and takes no gradient
        pixels = (batch.sizes * self._seen**2).to(torch.float32)[:, None]
        mean = seen.sum((1, 3)).div_(pixels)
        var = torch.linalg.vector_norm(seen, dim=(1, 3)).square_().div_(pixels).sub_(mean.square()).clamp_(min=0)
        single = None if batch.valid is None and size > 1 else (batch.sizes == 1)[:, None]
        if single is not None:
            mean, var = torch.where(single, p["mean"], mean), torch.where(single, p["var"], var)
        inverse = torch.rsqrt(var + EPSILON)
        scale = p["scale"] * inverse
        # Normalisation is monotonous, so it may come after the pooling, on a ninth of the values; falling where the
        # scale is negative.
        sign = torch.where(scale < 0, -1.0, 1.0)[:, None, :, None]
        turned = seen * sign if seen.is_cuda or bool((scale < 0).any()) else seen
        maps = turned.view(-1, CHANNELS, self._seen, self._seen)
        highest, places = torch.ops.aten.max_pool2d_with_indices(maps, *POOLING)
        highest = highest.view(count, size, CHANNELS, -1).mul_(sign)  # (n, B, C, S S)
        centred = highest - mean[:, None, :, None]
        normal = torch.addcmul(p["shift"][:, None, :, None], centred, scale[:, None, :, None])
        small = normal.view(-1, CHANNELS, self._pooled, self._pooled)
        keep = self._keep(batch.words, count, size)
        if keep is not None:
            small.mul_(keep)
        joined = functional.avg_pool2d(small, 2).view(count, size, -1)
        logits = torch.baddbmm(p["fc.bias"][:, None], joined, p["fc.weight"].mT)
        log_softmax = torch.log_softmax(logits, dim=2)
        loss, d_logits = self._loss.by_hand(log_softmax, batch.labels, batch.valid, batch.weights)
        torch.sum(d_logits, 1, out=g["fc.bias"])
        torch.bmm(d_logits.mT, joined, out=g["fc.weight"])
        d_joined = torch.bmm(d_logits, p["fc.weight"]).view(count * size, CHANNELS, *(self._pooled // 2,) * 2)
        d_small = torch.ops.aten.avg_pool2d_backward(d_joined, small, [2, 2], [2, 2], [0, 0], False, True, None)
        if keep is not None:
            d_small.mul_(keep)
        d_normal = d_small.view_as(normal)
        d_shift = d_normal.sum((1, 3))
        g["shift"].copy_(d_shift)
        along = torch.mul(d_normal, centred).sum((1, 3)).mul_(inverse)
        g["scale"].copy_(along)
        pull, push = along * inverse / pixels, d_shift / pixels
        moved = torch.full_like(pixels, MOMENTUM)
        if single is not None:
            pull, push = (torch.where(single, torch.zeros_like(each), each) for each in (pull, push))
            moved = torch.where(single, torch.zeros_like(moved), moved)
        # Through mean and variance: dx = scale (dy - mean(dy) - x mean(dy x)), x the normalised value; dy is zero but
        # where a pixel was the highest. `scale` belongs to a channel, so it may come after the sums over all pixels.
        everywhere = torch.addcmul((mean * pull - push)[:, None, :, None], seen, pull[:, None, :, None], value=-1)
        d_seen = torch.ops.aten.threshold_backward(everywhere, seen, 0)
        d_seen.scatter_add_(3, places.view_as(highest), d_normal.mul_(highest > 0))
        p["mean"].lerp_(mean, moved.expand_as(mean))
        p["var"].lerp_(var * (pixels / (pixels - 1)), moved.expand_as(var))
        by_sample = torch.bmm(d_seen.flatten(0, 1), unfolded.mT).view(count, size, CHANNELS, KERNEL + 1)
        summed = by_sample.sum(1).mul_(scale[:, :, None])
        g["kernels"].copy_(summed[..., :KERNEL])
        g["bias"].copy_(summed[..., KERNEL])
        return loss

    def logits(self, models: Tensor, features: Tensor) -> Tensor:
        p, count, asked = self._views(models), len(models), len(features)
        unfolded = self._unfolded(features).permute(1, 0, 2).flatten(1)  # (28, T L): one product for all models
        kernels = torch.cat((p["kernels"], p["bias"][:, :, None]), 2)
        seen = torch.mm(kernels.view(-1, KERNEL + 1), unfolded).view(count, CHANNELS, -1).relu_()
        scale = p["scale"] * torch.rsqrt(p["var"].clamp(min=0) + EPSILON)
        normal = torch.addcmul(p["shift"][:, :, None], seen.sub_(p["mean"][:, :, None]), scale[:, :, None])
        maps = normal.view(count * CHANNELS, asked, self._seen, self._seen)  # pooling takes each map by itself
        small = functional.avg_pool2d(functional.max_pool2d(maps, POOL, POOL, 1), 2)
        joined = small.view(count, CHANNELS, asked, -1).transpose(1, 2).flatten(2)
        return torch.baddbmm(p["fc.bias"][:, None], joined, p["fc.weight"].mT)

    def _unfolded(self, rows: Tensor) -> Tensor:
        """What each pixel of the maps sees, and a one that the bias goes with: float32 (N, 28, L)."""
        images = functional.pad(rows.view(-1, 3, self._side, self._side), (PADDING,) * 4)
        count, _, side, _ = images.shape
        by_sample, plane, line, one = images.stride()
        patches = images.as_strided(
            (count, 3, 3, 3, side - 2, side - 2), (by_sample, plane, line, one, line, one)
        )  # (N, plane, down, across, y, x)
        out = rows.new_ones(count, KERNEL + 1, (side - 2) ** 2)
        out[:, :KERNEL].view(count, 3, 3, 3, side - 2, side - 2).copy_(patches)
        return out

    def _keep(self, words: Tensor, count: int, size: int) -> Tensor | None:
        """1 / (1 - dropout) where a value is kept, 0 elsewhere: float32 (n B, C, S, S)."""
        if not self._threshold:
            return None
        side = self._pooled
        chosen = kept(words, 0, size * side * side * CHANNELS, self._threshold)
        by_place = chosen.view(count * size, side, side, CHANNELS).permute(0, 3, 1, 2)
        return by_place.to(torch.float32).mul_(self._scale)

    def _views(self, models: Tensor) -> dict[str, Tensor]:
        """The three streams' tensors as one each: the layout puts them side by side."""
        named = stacked_tensors(self._layout, models)
        out = {name: named[name] for name in ("fc.weight", "fc.bias")}
        begin = 0
        for name in ("kernels", "bias", "scale", "shift", "mean", "var"):
            shape = (CHANNELS, KERNEL) if name == "kernels" else (CHANNELS,)
            size = CHANNELS * (KERNEL if name == "kernels" else 1)
            out[name] = models[:, begin : begin + size].view(len(models), *shape)
            begin += size
        return out

"""STSTNet trained by hand-written steps: its three streams as one convolution, in the layout that torch is fastest in.

The streams see the same image and differ in nothing but their kernels, so one convolution with all sixteen is the same
network; batch normalisation, pooling and dropout work on each channel by itself anyway. The mathematics are those of
the module in `networks/kinds/ststnet.py` under autograd, in a fraction of its time; `tests/networks` holds them to it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from p2pfl_me.learning.by_hand import HandStep
from p2pfl_me.learning.losses import Loss
from p2pfl_me.networks.kinds.ststnet import PADDING, POOL, STREAMS
from p2pfl_me.networks.layout import Layout

EPSILON, MOMENTUM = 1e-5, 0.1
"""Of batch normalisation, torch's."""
CHANNELS = sum(STREAMS)
JOINED = {"kernels": (CHANNELS, 3, 3, 3)} | dict.fromkeys(("bias", "scale", "shift", "mean", "var"), (CHANNELS,))
NAMES = (*JOINED, "fc.weight", "fc.bias")
POOLING = ([POOL, POOL], [POOL, POOL], [1, 1], [1, 1], False)


class StreamStep(HandStep):
    """A batch of one sample has no statistics: it is normalised by the running ones.

    Parameters
    ----------
    side:
        Of the images, in pixels.
    dropout:
        As for `HandStep`, after the max pooling.
    """

    def __init__(self, layout: Layout, side: int, dropout: float, loss: Loss) -> None:
        super().__init__(layout, dropout, loss)
        self._side = side

    def begin(self, params: Tensor, learning_rate: float, steps: int) -> None:
        super().begin(params, learning_rate, steps)
        self._p["var"].clamp_(min=0)  # momentum and compression may have taken it below

    def _forward_backward(self, features: Tensor, rows: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        p, g = self._p, self._g
        images = self._images(features.index_select(0, rows))
        seen = self._convolved(images)  # (N, C): all pixels of all samples
        count, one = len(seen), len(rows) == 1
        mean = p["mean"] if one else seen.mean(0)
        spare = torch.empty_like(seen)  # written anew by each of what follows: it stays in the cache
        var = p["var"] if one else torch.sub(seen, mean, out=spare).square_().sum(0).div_(count)
        inverse = torch.rsqrt(var + EPSILON)
        scale = p["scale"] * inverse
        # Of a line's values the largest is that of its argument, or of the argument's opposite where it falls: so what
        # is pooled is normalised, a ninth of all, and not all.
        sign = torch.where(p["scale"] < 0, -1.0, 1.0)
        rising = bool((sign > 0).all())
        top, places = torch.ops.aten.max_pool2d_with_indices(
            self._maps(seen if rising else torch.mul(seen, sign, out=spare), len(rows)), *POOLING
        )
        top = top.permute(0, 2, 3, 1).reshape(-1, CHANNELS)
        centred = top.sub_(mean) if rising else top.mul_(sign).sub_(mean)
        pooled = torch.addcmul(p["shift"], centred, scale).view(len(rows), *places.shape[2:], CHANNELS)
        keep = self._keep(pooled, random)
        if keep is not None:
            pooled.mul_(keep)
        joined = functional.avg_pool2d(pooled.permute(0, 3, 1, 2), 2).flatten(1)
        logits = torch.addmm(p["fc.bias"], joined, p["fc.weight"].t())
        loss, d_logits = self._loss.by_hand(torch.log_softmax(logits, dim=1), labels)
        torch.sum(d_logits, 0, out=g["fc.bias"])
        torch.mm(d_logits.t(), joined, out=g["fc.weight"])
        sides = [size // 2 for size in places.shape[2:]]
        d_joined = torch.mm(d_logits, p["fc.weight"]).view(len(rows), CHANNELS, *sides)
        d_joined = d_joined.contiguous(memory_format=torch.channels_last)
        d_maps = torch.ops.aten.avg_pool2d_backward(
            d_joined, pooled.permute(0, 3, 1, 2), [2, 2], [2, 2], [0, 0], False, True, None
        )
        d_pooled = d_maps.permute(0, 2, 3, 1)
        if keep is not None:
            d_pooled.mul_(keep)
        d_pooled = d_pooled.reshape(-1, CHANNELS)
        torch.sum(d_pooled, 0, out=g["shift"])
        along = centred.mul_(d_pooled).sum(0).mul_(inverse)
        g["scale"].copy_(along)
        if one:
            d_normal = spare.zero_()
        else:
            # Through mean and variance: dx = scale (dy - mean(dy) - x mean(dy x)), x the normalised value.
            pull = along.mul_(inverse).div_(-count)
            d_normal = torch.addcmul(torch.addcmul(g["shift"] / -count, mean, pull, value=-1), seen, pull, out=spare)
            p["mean"].lerp_(mean, MOMENTUM)
            p["var"].lerp_(var.mul_(count / (count - 1)), MOMENTUM)
        by_sample = (len(rows), -1, CHANNELS)
        places = places.permute(0, 2, 3, 1).reshape(by_sample)
        d_normal.view(by_sample).scatter_add_(1, places, d_pooled.view(by_sample))
        torch.ops.aten.threshold_backward.grad_input(d_normal, seen, 0, grad_input=d_normal)
        # `scale` belongs to a channel, so it may come after the sums over all pixels.
        _, d_kernels, d_bias = torch.ops.aten.convolution_backward(
            self._maps(d_normal, len(rows)), images, p["kernels"], [CHANNELS], [1, 1], [PADDING, PADDING], [1, 1],
            False, [0, 0], 1, [False, True, True],
        )  # fmt: skip
        torch.mul(d_kernels, scale.view(-1, 1, 1, 1), out=g["kernels"])
        torch.mul(d_bias, scale, out=g["bias"])
        return loss

    def logits(self, features: Tensor) -> Tensor:
        """Class scores without dropout by the running statistics, float32 (N, K)."""
        p = self._p
        with torch.inference_mode():
            seen = self._convolved(self._images(features))
            scale = p["scale"] * torch.rsqrt(p["var"].clamp(min=0) + EPSILON)
            normal = self._maps(torch.addcmul(p["shift"], seen - p["mean"], scale), len(features))
            joined = functional.avg_pool2d(functional.max_pool2d(normal, POOL, POOL, 1), 2).flatten(1)
            return torch.addmm(p["fc.bias"], joined, p["fc.weight"].t())

    def _images(self, rows: Tensor) -> Tensor:
        images = rows.view(-1, 3, self._side, self._side)
        return images.contiguous(memory_format=torch.channels_last)

    def _convolved(self, images: Tensor) -> Tensor:
        """The streams' maps after ReLU, float32 (N * pixels, C)."""
        maps = functional.conv2d(images, self._p["kernels"], self._p["bias"], padding=PADDING).relu_()
        return maps.permute(0, 2, 3, 1).reshape(-1, CHANNELS)

    def _maps(self, seen: Tensor, count: int) -> Tensor:
        """(N * pixels, C) as (N, C, H, W), the same memory."""
        side = self._side + 2 * PADDING - 2
        return seen.view(count, side, side, CHANNELS).permute(0, 3, 1, 2)

    def _keep(self, pooled: Tensor, random: torch.Generator) -> Tensor | None:
        """1 / (1 - dropout) where a value is kept, 0 elsewhere, one random byte a value; None: nothing is dropped."""
        if self._threshold == 0:
            return None
        words = torch.empty(-(-pooled.numel() // 8), dtype=torch.int64)  # drawn by the processor, whatever the device
        # Full 64-bit range: without bounds, random_ leaves the top bit of int64 unset.
        words.random_(-(2**63), None, generator=random)
        drawn = words.view(torch.uint8)[: pooled.numel()].to(pooled.device)
        kept = torch.ge(drawn, self._threshold).to(torch.float32).mul_(self._scale)
        return kept.view(pooled.shape)

    def _views(self, params: Tensor) -> dict[str, Tensor]:
        """The three streams' tensors as one each: the layout puts them side by side, and the linear layer last."""
        shapes = [*JOINED.values(), *(shape for _, shape in self._layout.shapes[-2:])]
        parts = torch.split(params, [math.prod(shape) for shape in shapes])
        return {name: part.view(shape) for name, part, shape in zip(NAMES, parts, shapes, strict=True)}

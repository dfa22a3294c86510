"""DP-SGD's step for any network, by per-sample gradients (torch.func): convolutions, and a user's own layers.

A layer whose output for one sample depends on the others has no gradient of one sample: batch normalisation is refused
by name, as is whatever keeps running statistics in the vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from p2pfl_me.errors import NetworkError
from p2pfl_me.learning.by_hand import tensors
from p2pfl_me.learning.losses import Loss
from p2pfl_me.learning.module import ModuleStep, seeded
from p2pfl_me.networks.layout import Layout

AT_ONCE = 1 << 26
"""Values of per-sample gradients held at a time: 256 MiB."""
FIX = "replace BatchNorm by GroupNorm (torch.nn.GroupNorm), which looks at one sample at a time"


class DpModuleStep(ModuleStep):
    """As `dp_head.DpHeadStep`.

    Raises
    ------
    NetworkError
        What is trained of the network mixes the samples of a batch, or keeps statistics of them.
    """

    def __init__(
        self, module: nn.Module, layout: Layout, shape: Sequence[int], loss: Loss, device: torch.device
    ) -> None:
        super().__init__(module, layout, shape, loss, device)
        names = {name for name, _ in module.named_parameters()}
        kept = [name for name, _ in layout.shapes if name not in names]
        if kept or self._by_batch:
            said = f"keeps `{kept[0]}` of its samples" if kept else "normalises by the batch"
            raise NetworkError(
                f"the network {said}, and DP-SGD must know what each sample adds by itself",
                where="privacy.training",
                fix=FIX,
            )

    def onto(self, grads: Tensor) -> None:
        """As `DpHeadStep.onto`."""
        self._grads = grads

    def add(
        self, features: Tensor, rows: Tensor, labels: Tensor, norm: float, shares: Tensor, random: torch.Generator
    ) -> Tensor:
        """As `DpHeadStep.add`."""
        self._module.train()
        for each in self._still:
            each.eval()
        trained = {name for name, _ in self._layout.shapes}
        params = {name: value.detach() for name, value in self._module.named_parameters() if name in trained}
        others = {name: value for name, value in self._module.named_parameters() if name not in trained}
        still = others | dict(self._module.named_buffers())

        def loss_of(params: dict[str, Tensor], sample: Tensor, label: Tensor) -> Tensor:
            scores = functional_call(self._module, (params, still), (sample[None],))
            return self._loss.by_autograd(scores, label[None])

        by_sample = vmap(
            grad_and_value(loss_of),
            in_dims=(None, 0, 0),
            randomness="different",
            chunk_size=max(1, AT_ONCE // self._layout.size),
        )
        seed = int(torch.randint(2**62, (1,), generator=random, device=random.device))
        with seeded(seed, self._device):
            grads, losses = by_sample(params, features[rows].view(-1, *self._shape), labels)
        squares = torch.stack([each.flatten(1).square().sum(1) for each in grads.values()]).sum(0)
        cut = shares * norm / squares.sqrt().clamp_min(norm)
        for name, view in tensors(self._layout, self._grads).items():
            view.view(-1).add_(cut @ grads[name].flatten(1))
        total: Tensor = losses.sum().detach()
        return total

"""Any network trained whole by autograd: the module's own tensors become views of the flat vector.

Dropout of a module draws from torch's global generator. So each step seeds that from the round's own and puts it back
afterwards: equal seeds give equal bits in every engine, and a notebook's own draws go on as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from p2pfl_me.learning.adam import Adam
from p2pfl_me.learning.by_hand import tensors
from p2pfl_me.learning.losses import Loss
from p2pfl_me.networks.layout import Layout

VARIANCE = "running_var"


class ModuleStep:
    """Interface as in `by_hand.HandStep`. A batch of one sample is normalised by the running statistics.

    Parameters
    ----------
    module:
        float32 (N, *shape) -> class scores (N, K). What the layout does not name of it stays as it is: frozen layers
        are in evaluation mode always.
    shape:
        Of one sample.
    """

    def __init__(
        self, module: nn.Module, layout: Layout, shape: Sequence[int], loss: Loss, device: torch.device
    ) -> None:
        self._module, self._layout, self._shape, self._loss = module.to(device), layout, tuple(shape), loss
        self._device = device
        names = {name for name, _ in layout.shapes}
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(name in names)
        self._still = frozen_parts(module, names)
        self._by_batch = [each for each in module.modules() if isinstance(each, _BatchNorm) and each not in self._still]
        self._grads = torch.empty(0)
        self._adam: Adam | None = None

    def attach(self, params: Tensor) -> None:
        """Compute with `params`, float32 (P,) on the device."""
        self._bind(params, None)
        for name in self._variances():
            owner, own = _owner(self._module, name)
            owner._buffers[own] = owner.get_buffer(own).clamp(min=0)
        self._module.eval()

    def begin(self, params: Tensor, learning_rate: float, steps: int) -> None:
        """Train `params` in place for `steps` steps: gradients and Adam's fresh moments live until `end`."""
        self._grads = torch.zeros_like(params)  # those of the running statistics stay zero, which moves nothing
        self._bind(params, self._grads)
        for name in self._variances():
            self._module.get_buffer(name).clamp_(min=0)  # momentum and compression may have taken it below
        self._adam = Adam([params], learning_rate, steps)

    def end(self) -> None:
        """Give up what `begin` made."""
        for parameter in self._module.parameters():
            parameter.grad = None
        self._grads, self._adam = torch.empty(0), None

    @property
    def gradients(self) -> Tensor:
        """Those of the last step, float32 (P,)."""
        return self._grads

    def update(self) -> None:
        """Take Adam's step along the gradients of `forward_backward`."""
        assert self._adam is not None
        with torch.no_grad():
            self._adam.step([self._grads])

    def forward_backward(self, features: Tensor, rows: Tensor, labels: Tensor, random: torch.Generator) -> Tensor:
        """Fill the gradients for the samples in `rows` of `features`, int64 (B,) as their `labels`.

        Returns their mean loss as a scalar tensor.
        """
        self._grads.zero_()
        self._module.train()
        for each in self._still:
            each.eval()
        if len(rows) == 1:
            for each in self._by_batch:
                each.eval()
        seed = int(torch.randint(2**62, (1,), generator=random, device=random.device))
        with seeded(seed, self._device):
            scores = self._module(features[rows].view(-1, *self._shape))
            loss = self._loss.by_autograd(scores, labels)
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def logits(self, features: Tensor) -> Tensor:
        """Class scores in evaluation mode, float32 (N, K)."""
        with torch.no_grad():
            out: Tensor = self._module(features.view(-1, *self._shape))
            return out

    def _variances(self) -> list[str]:
        return [name for name, _ in self._layout.shapes if name.rpartition(".")[2] == VARIANCE]

    def _bind(self, params: Tensor, grads: Tensor | None) -> None:
        """The module's tensors are views of `params`, the gradients of its parameters views of `grads`."""
        slopes = tensors(self._layout, grads) if grads is not None else {}
        for name, view in tensors(self._layout, params).items():
            owner, own = _owner(self._module, name)
            parameter = owner._parameters.get(own)
            if parameter is None:
                # Each counts its own changes: one that forward moves must not spoil what others keep for backward.
                owner._buffers[own] = view.data
            else:
                parameter.data = view
                parameter.grad = slopes.get(name)


def frozen_parts(module: nn.Module, trained: set[str]) -> list[nn.Module]:
    """The submodules of which nothing is trained though there is something: their buffers stand still, too.

    A layer without parameters goes with the nearest module around it that has some.
    """
    still: list[nn.Module] = []

    def look(at: nn.Module, prefix: str, around: bool) -> None:
        names = [f"{prefix}{name}" for name, _ in at.named_parameters()]
        frozen = not trained.intersection(names) if names else around
        if frozen:
            still.append(at)
        for name, child in at.named_children():
            look(child, f"{prefix}{name}.", frozen)

    look(module, "", False)
    return still


def _owner(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, own = name.rpartition(".")
    return module.get_submodule(path), own


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield

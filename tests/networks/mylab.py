"""Networks as a user might bring them: some that work, and one of each slip."""

import random
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn


class Net(nn.Module):
    """Batch normalisation, dropout, and a part that may be frozen."""

    def __init__(self, classes: int, side: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.3))
        self.fc = nn.Linear(6, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc(self.body(self.stem(images)).mean(dim=(2, 3)))
        return out


def build(classes: int) -> nn.Module:
    return Net(classes, 16)


build.input_size = 16  # type: ignore[attr-defined]


def frozen(num_classes: int, input_size: int = 16) -> nn.Module:
    module = Net(num_classes, input_size)
    module.stem.requires_grad_(False)
    return module


frozen.input_size = 16  # type: ignore[attr-defined]


def wider(classes: int) -> nn.Module:
    module = Net(classes, 16)
    module.body = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.3))
    module.fc = nn.Linear(8, classes)
    return module


def fixed() -> nn.Module:
    """Always five classes."""
    return Net(5, 16)


def tuples(classes: int) -> nn.Module:
    class Two(Net):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            out = super().forward(images)
            return out, out  # type: ignore[return-value]

    return Two(classes, 16)


class Half(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).half()


def halved(classes: int) -> nn.Module:
    return Half(classes, 16)


def nan(classes: int) -> nn.Module:
    module = Net(classes, 16)
    nn.init.constant_(module.fc.bias, float("nan"))
    return module


def moody(classes: int) -> nn.Module:
    """Its width is drawn."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 16 * 16, random.randint(2, 10**6) % 64 + 1), nn.LazyLinear(classes)
    )


def moody_by_torch(classes: int) -> nn.Module:
    width = int(torch.randint(4, 400, ()))
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, width), nn.ReLU(), nn.Linear(width, classes))


def lazy(classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))


def all_frozen(classes: int) -> nn.Module:
    return Net(classes, 16).requires_grad_(False)


def forgetful(classes: int) -> nn.Module:
    """Counts its calls where no model carries it."""

    class Counting(Net):
        calls = 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.calls += self.training
            return super().forward(images) * (1 + 0.1 * self.calls)

    return Counting(classes, 16)


def unused(classes: int) -> nn.Module:
    module = Net(classes, 16)
    module.spare = nn.Linear(3, 3)
    return module


def cumulative(classes: int) -> nn.Module:
    module = Net(classes, 16)
    module.stem[1] = nn.BatchNorm2d(4, momentum=None)
    return module


def double(classes: int) -> nn.Module:
    return Net(classes, 16).double()


def greedy(classes: int, wisdom: float) -> nn.Module:
    return Net(classes, int(wisdom))


def broken(classes: int) -> nn.Module:
    raise RuntimeError("no such file: weights.pth")


def flat_norm(classes: int) -> nn.Module:
    """Its normalisation has one value a channel: a batch of one sample would divide by zero."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3 * 16 * 16, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, classes)
    )


number = 3


def flat_rows(classes: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, classes))


def in_place(classes: int) -> nn.Module:
    """Its first layer overwrites what it is given."""
    return nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(3 * 16 * 16, classes))


def restless(classes: int) -> nn.Module:
    """Drops values in evaluation, too."""

    class Dropping(Net):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(nn.functional.dropout(images, 0.5, training=True))

    return Dropping(classes, 16)


def scripted(classes: int) -> nn.Module:
    return torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, classes)))


def hollow(classes: int) -> nn.Module:
    module = Net(classes, 16)
    module.register_parameter("none", nn.Parameter(torch.zeros(0)))
    return module


def spectral(classes: int) -> nn.Module:
    """Buffers that move in forward, behind a normalisation that keeps its own for backward."""
    module = Net(classes, 16)
    nn.utils.parametrizations.spectral_norm(module.fc)
    return module


def _with_forward(module: nn.Module, forward: Callable[[Any, torch.Tensor], Any], **attributes: Any) -> nn.Module:
    """The module with `forward` of (module, its scores) behind its own."""

    class Behind(type(module)):  # type: ignore[misc]
        def forward(self, images: torch.Tensor) -> Any:
            return forward(self, super().forward(images))

    module.__class__ = Behind
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def late(classes: int) -> nn.Module:
    """What it counts shows long after the check is over."""

    def forward(self: Any, scores: torch.Tensor) -> torch.Tensor:
        self.calls += self.training
        return scores * (2 if self.calls > 20 else 1)

    return _with_forward(Net(classes, 16), forward, calls=0)


def dicey(classes: int) -> nn.Module:
    return _with_forward(Net(classes, 16), lambda self, scores: scores * (1 + self.training * random.random()))


def two_headed(classes: int) -> nn.Module:
    return _with_forward(
        Net(classes, 16), lambda self, scores: nn.functional.pad(scores, (0, 2)) if self.training else scores
    )


def tuple_in_training(classes: int) -> nn.Module:
    return _with_forward(Net(classes, 16), lambda self, scores: (scores, scores) if self.training else scores)


def swapping(classes: int) -> nn.Module:
    def forward(self: Any, scores: torch.Tensor) -> torch.Tensor:
        self.fc.weight = nn.Parameter(self.fc.weight.detach().clone())
        return scores

    return _with_forward(Net(classes, 16), forward)


def growing(classes: int) -> nn.Module:
    def forward(self: Any, scores: torch.Tensor) -> torch.Tensor:
        if not hasattr(self, "late"):
            self.late = nn.Linear(classes, classes)
        return self.late(scores)  # type: ignore[no-any-return]

    return _with_forward(Net(classes, 16), forward)


def unregistered(classes: int) -> nn.Module:
    return _with_forward(Net(classes, 16), lambda self, scores: self.more[0](scores), more=[nn.Linear(3, 3)])


def siamese(classes: int) -> nn.Module:
    module = Net(classes, 16)
    return _with_forward(
        module, lambda self, scores: scores + self.twin.sum(), twin=nn.Parameter(module.fc.weight.data.T)
    )


def expanded(classes: int) -> nn.Module:
    scale = nn.Parameter(torch.ones(1).expand(classes))
    return _with_forward(Net(classes, 16), lambda self, scores: scores * self.scale, scale=scale)


def by_the_batch(classes: int) -> nn.Module:
    return _with_forward(Net(classes, 16), lambda self, scores: scores - scores.mean(0, keepdim=True))


def stubborn(classes: int) -> nn.Module:
    """Quantised for the processor: it holds more than tensors."""
    module = Net(classes, 16)
    return _with_forward(module, lambda self, scores: scores, packed=_Packed())


class _Packed(nn.Module):
    def _load_from_state_dict(self, state: Any, prefix: str, *rest: Any) -> None:
        state[f"{prefix}scale"]


def compiled(classes: int) -> nn.Module:
    module = Net(classes, 16)
    module.stem = torch.compile(module.stem, backend="eager")  # type: ignore[assignment]
    module.compile(backend="eager")
    return torch.compile(module, backend="eager")  # type: ignore[return-value]


def meta(classes: int) -> nn.Module:
    return Net(classes, 16).to("meta")


@torch.inference_mode()
def inference(classes: int) -> nn.Module:
    return Net(classes, 16)


def squeezed(classes: int) -> nn.Module:
    return _with_forward(Net(classes, 16), lambda self, scores: scores.squeeze())


def leaving(classes: int) -> nn.Module:
    return _with_forward(Net(classes, 16), lambda self, scores: sys.exit(3))


def settling(classes: int) -> nn.Module:
    """Changes what holds for the whole process."""
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    module = build(classes).float()
    torch.set_default_device("meta")
    return module


def scalar(classes: int) -> nn.Module:
    """Training moves a buffer of no dimension, and parameters are tied."""

    def forward(self: Any, scores: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.ema.mul_(0.9).add_(0.1 * scores.detach().mean())
        return scores + self.ema + self.tied(scores) * 0.1  # type: ignore[no-any-return]

    module = _with_forward(Net(classes, 16), forward, tied=nn.Linear(classes, classes))
    module.tied.bias = module.fc.bias  # type: ignore[union-attr]
    module.register_buffer("ema", torch.zeros(()))
    return module


def statless(classes: int) -> nn.Module:
    """Normalises by the batch alone, which one clip has not got."""
    rows = nn.BatchNorm1d(8, track_running_stats=False)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8), rows, nn.Linear(8, classes))

"""What an own network answers to fixed questions, by which peers of one layout learn that their forward passes differ.

Code is never sent, so what it does is asked: fixed values in place of what is trained, fixed inputs, scores in both
modes, the gradient, and what training moves. In double precision, of which a few digits are kept: there processors and
versions of torch differ far below the last of them, and another activation, constant or rate of dropout far above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from p2pfl_me.choice.seeds import derive_seed
from p2pfl_me.errors import NetworkError
from p2pfl_me.learning.module import frozen_parts, seeded
from p2pfl_me.networks import Use
from p2pfl_me.networks.kinds.own import STILL_SEED, Answers, Own, held_by

BATCH, DIGITS = 4, 4


def answers_of(own: Own, use: Use) -> Answers | None:
    """What the code that is bound to `own` answers; None where it cannot be asked in double precision, or where what it
    says is no number.

    Raises
    ------
    NetworkError
        There is no code here, or it is another network's.
    """
    module = own.built(use, STILL_SEED)
    trained = [name for name, _, _ in own.tensors]
    inputs = _drawn("inputs", (BATCH, *own.shape(use)))
    try:
        module.double()
        evaluation = _scores(module, trained, inputs, training=False, seed=0)
        one, other = (_scores(module, trained, inputs, training=True, seed=seed) for seed in (2, 1))
        gradient, statistics = _moved(module, trained, one)
    except Exception:  # whatever of it is made for single precision alone
        return None
    said = [_few_digits(evaluation), (), (), ()]
    if torch.equal(one, other):  # else it draws by other means than dropout, and no two machines draw alike
        said[1:] = [_few_digits(one), _few_digits(gradient), _few_digits(statistics)]
    if not all(math.isfinite(value) for values in said for value in values):
        return None
    return Answers(evaluation=said[0], training=said[1], gradient=said[2], statistics=said[3])


def refuse_other_answers(own: Own, use: Use) -> None:
    """See that the code bound to `own` computes what the contract's does, where that says so.

    Raises
    ------
    NetworkError
        It answers otherwise, by more than the last digit.
    """
    if own.answers is None or (found := answers_of(own, use)) is None:
        return
    if difference := own.answers.difference(found, DIGITS):
        raise NetworkError(
            f"is not the contract's network {own.called}: all tensors are alike, and it computes something else with "
            f"them: {difference}",
            where=own.require().where,
            fix="take the version of the file that the other peers have, or that the run began with",
        )


def _drawn(label: str, shape: Sequence[int]) -> Tensor:
    """float64 in [-1, 1), by numpy, so that no version of torch decides."""
    drawn = np.random.default_rng(derive_seed(0, "answers", label)).random(tuple(shape))
    return torch.from_numpy(np.asarray(drawn)) * 2 - 1  # an array of a scalar's shape, too


def _scores(module: nn.Module, trained: Sequence[str], inputs: Tensor, *, training: bool, seed: int) -> Tensor:
    """One weighed sum over the batch for each class; after training, the gradients stand in the parameters."""
    held = held_by(module)
    with torch.no_grad():
        for name in trained:
            held[name].copy_(_values(name, held[name].shape))
    names = set(trained)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in names)
        parameter.grad = None
    module.train(training)
    for each in frozen_parts(module, names):
        each.eval()
    with torch.set_grad_enabled(training), seeded(seed, torch.device("cpu")), _InDouble():
        scores: Tensor = module(inputs.clone())
        said = (scores * _drawn("samples", (len(inputs), 1))).sum(0)
        if training:
            (said * _drawn("classes", said.shape)).sum().backward()  # type: ignore[no-untyped-call]
    return said.detach().double()


def _values(name: str, shape: Sequence[int]) -> Tensor:
    """In place of what is trained: layers that keep the scale of what they get; all else around one, as variances."""
    drawn = _drawn(f"tensor {name}", shape)
    return drawn * math.sqrt(3 / math.prod(shape[1:])) if len(shape) > 1 else 1 + drawn / 2


def _moved(module: nn.Module, trained: Sequence[str], like: Tensor) -> tuple[Tensor, Tensor]:
    """Weighed sums over the gradient, and over the statistics after a step in training, each (1,); (0,) of none."""
    held, parameters = held_by(module), dict(module.named_parameters())
    slopes = {name: grad for name in trained if name in parameters and (grad := parameters[name].grad) is not None}
    statistics = {name: held[name] for name in trained if name not in parameters}

    def weighed(values: Mapping[str, Tensor]) -> Tensor:
        sums = [
            (value.detach().double() * _drawn(f"weights {name}", value.shape)).sum() for name, value in values.items()
        ]
        return torch.stack(sums).sum().reshape(1) if sums else like[:0]

    return weighed(slopes), weighed(statistics)


def _few_digits(values: Tensor) -> tuple[float, ...]:
    """`DIGITS` of the largest, and as far behind the point of all others."""
    largest = float(values.abs().max()) if len(values) else 0.0
    if not largest or not math.isfinite(largest):
        return tuple(values.tolist())
    places = DIGITS - 1 - math.floor(math.log10(largest))
    return tuple(round(value, places) + 0.0 for value in values.tolist())  # + 0.0: no -0.0


class _InDouble(TorchFunctionMode):
    """Whatever asks for single precision gets double; dropout weighs what it gets by its rate, and draws nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._dropouts = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, named = getattr(func, "__name__", ""), dict(kwargs or {})
        if getattr(nn.functional, name, None) is func and "dropout" in name:
            return self._weighed(name, *args, **named)
        if func is Tensor.float:
            func = Tensor.double
        in_place = name.endswith("_") and not name.endswith("__")
        given = [value if in_place and not at else _double(value) for at, value in enumerate(args)]
        named = {key: value if key == "out" else _double(value) for key, value in named.items()}
        out = func(*given, **named)
        if isinstance(out, Tensor) and out.dtype is torch.float32 and not any(isinstance(v, Tensor) for v in given):
            return func(*given, **{**named, "dtype": torch.float64})  # zeros, linspace, tensor
        return out

    def _weighed(
        self, name: str, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training:
            return input
        self._dropouts += 1
        weights = 1 + float(p) * _drawn(f"{name} {self._dropouts}", input.shape)
        return input.mul_(weights) if inplace else input * weights


def _double(value: Any) -> Any:
    if value is torch.float32:
        return torch.float64
    if isinstance(value, Tensor):
        return value.double() if value.dtype is torch.float32 else value
    if isinstance(value, list | tuple) and any(isinstance(each, Tensor) for each in value):
        return type(value)(map(_double, value)) if type(value) in (list, tuple) else value
    return value

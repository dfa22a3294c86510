"""What makes a user's own network unfit to be trained, sent or mixed: each kind told in words before a run begins.

Each function raises NetworkError with what, `where` (the network's file) and what to do. `names` are of the trained
parameters.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from p2pfl_me.errors import NetworkError
from p2pfl_me.networks.kinds.own import held_by


def refuse_lazy(module: nn.Module, where: str) -> None:
    """Layers whose shapes wait for a first input: no layout can be stated before it."""
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if isinstance(value, UninitializedParameter | UninitializedBuffer):
            raise NetworkError(
                f"`{name}` gets its shape from the first input", where=where, fix="write the layer's input size out"
            )


def refuse_random_layout(builds: Sequence[nn.Module], where: str) -> None:
    """`builds`: the same network built under several seeds, whose values have to have the same names and shapes."""
    first, *others = [{name: tuple(value.shape) for name, value in held_by(each).items()} for each in builds]
    for other in others:
        for name in [*first, *other]:
            if first.get(name) != other.get(name):
                raise NetworkError(
                    f"has another layout each time it is built: `{name}` is {first.get(name, 'absent')}, "
                    f"then {other.get(name, 'absent')}",
                    where=where,
                    fix="let no size depend on a random choice: peers could not mix such models",
                )


def refuse_types(module: nn.Module, names: Sequence[str], where: str) -> None:
    """Parameters that no message carries: other types than float32, and none at all."""
    for name in names:
        parameter = module.get_parameter(name)
        if (kind := parameter.dtype) is not torch.float32:
            raise NetworkError(f"`{name}` is {kind}, and models travel as float32", where=where, fix="make it float32")
        if not parameter.numel():
            raise NetworkError(
                f"`{name}` of shape {tuple(parameter.shape)} holds no value",
                where=where,
                fix="leave it out, or switch its requires_grad off",
            )
    for name, each in module.named_modules():
        if isinstance(each, _BatchNorm) and each.track_running_stats and each.momentum is None:
            raise NetworkError(
                f"`{name}` averages all batches that it has seen, a count that no model carries",
                where=where,
                fix="give it a momentum, such as 0.1",
            )


def refuse_scores(module: nn.Module, inputs: Tensor, classes: int, where: str) -> None:
    """Scores of a whole batch and of one sample; whoever asks twice must hear the same."""
    shown = f"inputs of {tuple(inputs.shape[1:])}"
    module.eval()
    alone = inputs
    for batch in (inputs, inputs[:1]):
        given = batch.clone()
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                out, again = module(given), module(batch.clone())
        except Exception as error:
            raise NetworkError(
                f"cannot take a batch of {len(batch)} {shown}: {error}",
                where=where,
                fix="set its input size (`build.input_size = 28`, or --input-size), or mend its forward"
                if batch is inputs
                else "let it take a single sample, which is what a shard of one clip gives: in evaluation mode, no "
                "statistic of the batch (BatchNorm with track_running_stats=True, or GroupNorm)",
            ) from error
        if not isinstance(out, Tensor):
            raise NetworkError(
                f"gives a {type(out).__name__} for {shown}, not a tensor of class scores",
                where=where,
                fix="return the scores alone",
            )
        if tuple(out.shape) != (len(batch), classes):
            raise NetworkError(
                f"gives scores of shape {tuple(out.shape)} for {len(batch)} samples of {classes} classes, "
                f"not ({len(batch)}, {classes})",
                where=where,
                fix="give one row of scores a sample, of a single one, too (no squeeze())"
                if out.shape[-1:] == (classes,)
                else "take the number of classes as an argument: def build(classes)",
            )
        if out.dtype != torch.float32:
            raise NetworkError(
                f"gives scores of {out.dtype} for {shown}, and the loss is of float32",
                where=where,
                fix="return float32: scores.float()",
            )
        if not torch.isfinite(out).all():
            raise NetworkError(
                f"gives NaN or infinite scores for {shown}",
                where=where,
                fix="see its first values, and what its forward divides by",
            )
        alone = out[:1] if len(batch) > 1 else alone
        if len(batch) == 1 and not torch.allclose(out, alone, rtol=1e-2, atol=1e-3):
            raise NetworkError(
                "gives a sample other scores beside others than alone: a prediction would depend on its neighbours",
                where=where,
                fix="use no statistic of the batch in evaluation mode (BatchNorm with track_running_stats=True)",
            )
        if not torch.equal(given, batch):
            raise NetworkError(
                "changes its inputs in place, which are kept for the next epoch and the next model",
                where=where,
                fix="let its first layer make a new tensor: nn.ReLU() for nn.ReLU(inplace=True), x * a for x.mul_(a)",
            )
        if not torch.equal(out, again):
            raise NetworkError(
                f"gives other scores when it is asked again about the same {shown}",
                where=where,
                fix="draw nothing in evaluation mode (nn.Dropout, or dropout(x, training=self.training)), and keep "
                "nothing between two calls of forward",
            )


def refuse_shared_memory(module: nn.Module, names: Sequence[str], where: str) -> None:
    """Each trained parameter gets memory of its own in the model that travels: what shared it would be torn apart."""
    taken: list[tuple[int, int, str]] = []
    for name in names:
        parameter = module.get_parameter(name)
        steps = list(zip(parameter.shape, parameter.stride(), strict=True))
        if any(size > 1 and step == 0 for size, step in steps):
            raise NetworkError(
                f"`{name}` of shape {tuple(parameter.shape)} repeats one value in memory (expand)",
                where=where,
                fix="make it a parameter of what is free, and expand it in forward",
            )
        begin = parameter.data_ptr()
        taken.append((begin, begin + 4 * (1 + sum((size - 1) * step for size, step in steps)), name))
    taken.sort()
    for (_, end, other), (begin, _, name) in itertools.pairwise(taken):
        if begin < end:
            raise NetworkError(
                f"`{name}` and `{other}` are two parameters in the same memory, which would part when they travel",
                where=where,
                fix="share the parameter itself (b.weight = a.weight), or compute one from the other in forward",
            )


def refuse_keeping(module: nn.Module, built: Sequence[str], inputs: Tensor, classes: int, where: str) -> None:
    """Training mode gives the scores of evaluation, by the parameters that it was built with, and remembers nothing."""
    module.train()
    before = dict(module.named_parameters())
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    kept: list[dict[str, object]] = []
    asks = {name: value.requires_grad for name, value in before.items()}
    for _ in range(2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                out = module(inputs.clone())
            except Exception as error:
                raise NetworkError(
                    f"cannot be trained on a batch of {len(inputs)}: {error}", where=where, fix="mend its forward"
                ) from error
        kept.append(_numbers(module))
    after = dict(module.named_parameters())
    for name in [*built, *after]:
        if name not in built or before.get(name) is not after.get(name):
            what = "makes" if name not in built else "drops" if name not in after else "replaces"
            raise NetworkError(
                f"its forward {what} the parameter `{name}`, and a model holds those that it was built with",
                where=where,
                fix="make all parameters in __init__, and change none in forward",
            )
    if not isinstance(out, Tensor) or tuple(out.shape) != (len(inputs), classes):
        found = f"scores of shape {tuple(out.shape)}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
        raise NetworkError(
            f"gives {found} in training, not a tensor of ({len(inputs)}, {classes}) as in evaluation",
            where=where,
            fix="return the class scores alone in both modes",
        )
    for name, value in kept[0].items():
        if repr(kept[1].get(name)) != repr(value):
            raise NetworkError(
                f"counts in `{name}` from call to call ({value}, then {kept[1].get(name)}), and no model carries it: "
                "a peer that goes on after a stop would begin anew",
                where=where,
                fix="keep nothing between two calls of forward, or register a persistent float32 buffer",
            )
    for shape in _strangers(out, after):
        raise NetworkError(
            f"computes with a tensor of shape {shape} that asks for gradients and is no parameter of it: it would "
            "never be trained or sent",
            where=where,
            fix="hold it as nn.Parameter, layers in nn.ModuleList instead of a list",
        )
    with torch.no_grad():
        for name, value in module.named_buffers():
            if name in buffers:
                value.copy_(buffers[name])
        for name, value in after.items():
            value.requires_grad_(asks[name])


def _numbers(module: nn.Module) -> dict[str, object]:
    """Plain numbers that its modules hold as attributes, by name."""
    return {
        f"{at}.{name}".lstrip("."): value
        for at, each in module.named_modules()
        for name, value in vars(each).items()
        if isinstance(value, int | float) and name != "training"
    }


def _strangers(out: Tensor, parameters: dict[str, nn.Parameter]) -> list[tuple[int, ...]]:
    """Shapes of what gradients of the scores reach beside the parameters."""
    known, seen, found = {id(value) for value in parameters.values()}, set(), []
    waiting = [out.grad_fn] if out.grad_fn is not None else []
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, Tensor) and leaf.is_leaf and id(leaf) not in known:
            found.append(tuple(leaf.shape))
        waiting += [each for each, _ in node.next_functions if each is not None]
    return found


def refuse_unloadable(module: nn.Module, names: Sequence[str], where: str) -> None:
    """A trained model is put into a fresh module by `load_state_dict`: for predictions and export."""
    state = module.state_dict()
    try:
        module.load_state_dict({name: state[name].clone() for name in names}, strict=False)
    except Exception as error:
        raise NetworkError(
            f"takes no trained model: load_state_dict fails: {type(error).__name__}: {error}",
            where=where,
            fix="let it be made of float32 layers that load what they save (quantise what p2pme exports: --int8)",
        ) from error

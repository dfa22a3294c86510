"""A user's own network taken into a contract: looked at from all sides before anything is trained with it.

What is found says what would travel, whether every layer learns, and what cannot work; the contract then states its
layout. Everything here runs on drawn inputs, on the CPU, in a fraction of a second for a small network.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from p2pfl_me.contract import Contract
from p2pfl_me.contract.model import Model
from p2pfl_me.errors import NetworkError
from p2pfl_me.learning.losses import CrossEntropy
from p2pfl_me.learning.module import ModuleStep, frozen_parts
from p2pfl_me.learning.own_answers import answers_of, refuse_other_answers
from p2pfl_me.learning.own_refusals import (
    refuse_keeping,
    refuse_lazy,
    refuse_random_layout,
    refuse_scores,
    refuse_shared_memory,
    refuse_types,
    refuse_unloadable,
)
from p2pfl_me.networks import Group, Layout
from p2pfl_me.networks.code import Code, Given
from p2pfl_me.networks.kinds.own import STILL_SEED, Own, held_by, still_digest
from p2pfl_me.networks.network import Use

BATCH = 4
SEEDS = (STILL_SEED, 1, 2)
"""Of the builds that are compared: what a layout depends on must be none of them."""


@dataclass(frozen=True, eq=False)
class Examined:
    """What `p2pme network check` says: the network as a contract states it, and what deserves a word."""

    network: Own
    side: int
    frozen: int
    """Values that stay as they are and never travel."""
    still: tuple[str, ...] = field(default=())
    """Trained tensors that no gradient reaches: they travel for nothing."""
    remarks: tuple[str, ...] = field(default=())


def with_network(
    contract: Contract,
    given: Given,
    *,
    trained: Sequence[str] = (),
    side: int | None = None,
    shape: Sequence[int] | None = None,
) -> Contract:
    """A contract whose network is the user's: stated by its layout if it named another, compared if it names this one.

    Parameters
    ----------
    given:
        `FILE.py:NAME`, or a function or class that returns a `torch.nn.Module`.
    trained:
        Parts to train and send, by the beginning of their tensors' names; all that asks for gradients if empty.
    side:
        Of its input in pixels; by default what its builder says (`build.input_size = 28`), else the contract's.

    shape:
        Of one sample that is no image, or (3, side, side) of one that is.

    Raises
    ------
    NetworkError
        It cannot be trained here, or is not the network that the contract states.
    """
    code, model = Code.of(given), contract.model
    if isinstance(model.backbone, Own):
        own = model.backbone.bound(code)
        own.built(model.use, STILL_SEED)
        with _asked(code.where):
            refuse_other_answers(own, model.use)
        return contract.model_copy(update={"model": model.model_copy(update={"backbone": own})})
    if shape is not None and len(shape) == 3 and tuple(shape) == (3, shape[1], shape[1]):
        side, shape = shape[1], None
    its_side = side or code.own_side() or model.input_size
    found = examine(code, len(model.classes), trained=trained, side=its_side, shape=shape)
    agreed = contract.model_copy(update={"model": stating(model, found)})
    _ = agreed.personal_ranges  # refuses parts that this network does not have
    return agreed


def for_classes(contract: Contract, classes: tuple[str, ...]) -> Contract:
    """The contract for other classes; a user's own network that it states is built and stated anew for so many.

    Raises
    ------
    NetworkError
        It cannot be built for them, or there is no code here.
    """
    model = contract.model.model_copy(update={"classes": classes})
    own, use = model.backbone, model.use
    if isinstance(own, Own) and len(classes) != len(contract.model.classes) and (code := own.code) is not None:
        parameters = dict(code.build(use, STILL_SEED).named_parameters())
        trained = [name for name, _, _ in own.tensors if name in parameters]
        model = stating(model, examine(code, len(classes), trained=trained, side=use.side, shape=own.input))
    return contract.model_copy(update={"model": model})


def stating(model: Model, found: Examined) -> Model:
    """A contract's section with this network in place of its own."""
    kept = {key: getattr(model, key) for key in ("input", "preprocess", "label_map", "classes")}
    return Model(backbone=found.network, input_size=found.side, trainable="all", **kept)


def examine(
    code: Code, classes: int, *, trained: Sequence[str] = (), side: int, shape: Sequence[int] | None = None
) -> Examined:
    """Build, ask and train it a step.

    Parameters
    ----------
    shape:
        Of one sample, where that is no image of three planes of `side`.

    Raises
    ------
    NetworkError
        What no peer could train, send or mix.
    """
    with _asked(code.where):
        return _examined(code, classes, trained, side, shape)


@contextmanager
def _asked(where: str) -> Iterator[None]:
    """What its forward prints is for people, and it ends no command."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except SystemExit as error:
        raise NetworkError(
            "its forward ends the program (SystemExit)", where=where, fix="raise an error there"
        ) from error


def _examined(code: Code, classes: int, trained: Sequence[str], side: int, shape: Sequence[int] | None) -> Examined:
    use = Use(classes, side, "all")
    builds = [code.build(use, seed) for seed in SEEDS]
    module, where = builds[0], code.where
    refuse_lazy(module, where)
    refuse_random_layout(builds, where)
    names = _trained(module, trained, where)
    refuse_types(module, names, where)
    refuse_shared_memory(module, names, where)
    refuse_unloadable(module, names, where)
    sample = tuple(shape or (3, side, side))
    inputs = torch.randn(BATCH, *sample, generator=torch.Generator().manual_seed(0))
    refuse_scores(module, inputs, classes, where)
    refuse_keeping(module, [name for name, _ in builds[1].named_parameters()], inputs, classes, where)
    statistics = _statistics(module, names, inputs, classes, where)
    layout = _layout(module, names, statistics, classes)
    step = ModuleStep(module, layout, sample, CrossEntropy(None), torch.device("cpu"))
    without = _without_gradient(step, module, layout, inputs, classes, where)
    still = still_digest(module, {name for name, _ in layout.shapes})
    network = Own(
        called=_called(code),
        input=None if shape is None else sample,
        tensors=tuple((name, its, group) for (name, its), group in zip(layout.shapes, layout.groups, strict=True)),
        frozen_sha256=still,
        sha256=layout.digest().hex(),
    ).bound(code)
    network = network.model_copy(update={"answers": answers_of(network, use)}).bound(code)
    held = sum(value.numel() for value in held_by(module).values() if value.is_floating_point())
    remarks = []
    if any(isinstance(each, _BatchNorm) for each in module.modules()):
        remarks.append(
            "it normalises by the batch: a batch of one sample takes the running statistics; "
            "gossip.personal: normalisation keeps those layers home"
        )
    if network.answers is None:
        remarks.append("it cannot be asked in double precision: peers would not notice that another's forward differs")
    elif not network.answers.training:
        remarks.append("it draws by other means than dropout: what it computes in training is compared with nobody's")
    return Examined(network, side, held - layout.size, without, tuple(remarks))


def _called(code: Code) -> str:
    name = code.source.rpartition(":")[2] or getattr(code.factory, "__name__", "network")
    kept = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name).strip("-._")
    return kept[:64] or "network"


def _trained(module: nn.Module, wanted: Sequence[str], where: str) -> list[str]:
    """Names of the parameters that are trained and sent."""
    asking = [name for name, value in module.named_parameters() if value.requires_grad]
    for part in wanted:
        if not any(name == part or name.startswith(f"{part}.") for name, _ in module.named_parameters()):
            known = ", ".join(name for name, child in module.named_children() if any(True for _ in child.parameters()))
            raise NetworkError(f"has no part `{part}` to train", where=where, fix=f"its parts are {known or 'none'}")
    names = [
        name
        for name, _ in module.named_parameters()
        if (any(name == part or name.startswith(f"{part}.") for part in wanted) if wanted else name in asking)
    ]
    if not names:
        raise NetworkError("has nothing to train", where=where, fix="leave requires_grad of some parameters on")
    return names


def _statistics(module: nn.Module, names: Sequence[str], inputs: Tensor, classes: int, where: str) -> list[str]:
    """The buffers that training moves: they travel with what is trained."""
    still = frozen_parts(module, set(names))
    module.train()
    for each in still:
        each.eval()
    before = {name: value.clone() for name, value in module.named_buffers()}
    persistent = set(module.state_dict())
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            module(inputs)
        except Exception as error:
            raise NetworkError(
                f"cannot be trained on a batch of {len(inputs)}: {error}", where=where, fix="mend its forward"
            ) from error
    moved = [name for name, value in module.named_buffers() if not torch.equal(value, before[name])]
    found = []
    for name in moved:
        if name.rpartition(".")[2] == "num_batches_tracked":
            continue
        if name not in persistent or before[name].dtype is not torch.float32:
            raise NetworkError(
                f"training changes `{name}`, which no model carries",
                where=where,
                fix="register it as a persistent float32 buffer, or leave it out",
            )
        found.append(name)
    with torch.no_grad():
        for name, value in module.named_buffers():
            value.copy_(before[name])
    return found


def _layout(module: nn.Module, names: Sequence[str], statistics: Sequence[str], classes: int) -> Layout:
    shapes = {name: tuple(value.shape) for name, value in module.named_parameters() if name in names}
    norms = (_BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.modules.instancenorm._InstanceNorm)
    of_norm = {
        f"{at}.{name}".lstrip(".")
        for at, each in module.named_modules()
        if isinstance(each, norms)
        for name, _ in [*each.named_parameters(recurse=False), *each.named_buffers(recurse=False)]
    }
    scoring = [name for name, shape in shapes.items() if shape[:1] == (classes,) and name not in of_norm]
    last = scoring[-1].rpartition(".")[0] if scoring else None

    def group(name: str) -> Group:
        if name in of_norm:
            return Group.NORMALISATION
        return Group.LAST_LAYER if last is not None and name.rpartition(".")[0] == last else Group.BODY

    every = [*shapes.items(), *((name, tuple(module.get_buffer(name).shape)) for name in statistics)]
    return Layout(tuple(every), tuple(group(name) for name, _ in every))


def _without_gradient(
    step: ModuleStep, module: nn.Module, layout: Layout, inputs: Tensor, classes: int, where: str
) -> tuple[str, ...]:
    """Names of trained parameters that no gradient reaches; two rounds of one step must end alike."""
    state = module.state_dict()
    start = torch.cat([state[name].detach().flatten() for name, _ in layout.shapes])
    rows, labels = inputs.flatten(1), torch.arange(len(inputs)) % classes
    ends: list[Tensor] = []
    without: list[str] = []
    for batch in (len(inputs), len(inputs), 1):
        params = start.clone()
        step.begin(params, 1e-3, 2)
        try:
            loss = step.forward_backward(rows, torch.arange(batch), labels[:batch], torch.Generator().manual_seed(7))
        except Exception as error:
            raise NetworkError(
                f"cannot be trained on a batch of {batch}: {error}",
                where=where,
                fix="mend its forward or backward"
                + ("" if batch > 1 else "; the last batch of an epoch may be one sample"),
            ) from error
        if not torch.isfinite(loss) or not torch.isfinite(step.gradients).all():
            raise NetworkError("its loss or gradients are NaN or infinite", where=where, fix="see its first values")
        without = [name for name, value in module.named_parameters() if value.requires_grad and not value.grad.any()]  # type: ignore[union-attr]
        step.update()
        step.end()
        ends.append(params)
        if batch == len(inputs):
            unreached = without
    if not torch.equal(ends[0], ends[1]):
        raise NetworkError(
            "two steps from the same seed end in different models",
            where=where,
            fix="draw from torch's generator only, and keep nothing between two calls of forward",
        )
    return tuple(unreached)

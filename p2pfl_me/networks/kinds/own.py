"""A network of the user's own: the contract states its name and how it is laid out, each lab brings the code.

`p2pme network check FILE.py:NAME` writes this section. The code is bound to it in the process that needs it, and goes
with the contract to child processes; it is no part of the contract's text or digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, FiniteFloat, PrivateAttr, model_validator

from p2pfl_me.choice import Part, PositiveInt
from p2pfl_me.errors import NetworkError
from p2pfl_me.networks.code import Code
from p2pfl_me.networks.layout import Group, Layout
from p2pfl_me.networks.network import Use, Whole

if TYPE_CHECKING:
    from torch import Tensor, nn

STILL_SEED = 0
"""Frozen layers are built from this one, whatever the contract's seed: they are the same in all runs."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


Few = tuple[FiniteFloat, ...]


class Answers(Part):
    """What an own network gives for fixed inputs and fixed values of what is trained, in a few digits.

    `evaluation`, `training`: scores, one a class; empty `training` of a network that draws by other means than dropout.
    `gradient`, `statistics`: a weighed sum over each, after a step in training; empty of a network without.
    """

    evaluation: Few
    training: Few = ()
    gradient: Few = ()
    statistics: Few = ()

    def difference(self, found: Answers, digits: int) -> str | None:
        """Where another's answers differ by more than the last of so many digits, in words."""
        told = {"evaluation": "scores in evaluation", "training": "scores in training", "gradient": "gradient"}
        for part in type(self).model_fields:
            here, there = getattr(found, part), getattr(self, part)
            step = 1.5 * 10.0 ** (1 - digits) * max((abs(value) for value in there), default=0.0)
            if len(here) != len(there) or any(abs(a - b) > step for a, b in zip(here, there, strict=True)):
                shown = [", ".join(f"{value:.4g}" for value in values) or "none" for values in (here, there)]
                return f"{told.get(part, 'running statistics')} {shown[0]}, by the contract {shown[1]}"
        return None


class Own(Whole):
    """`called`: its name. `input`: the shape of one sample where that is no image of three planes. `tensors`: name,
    shape and group of each that is trained and sent; `sha256`: of these. `frozen_sha256`: of all else that it holds.
    `answers`: what it computes, by examples.
    """

    about: ClassVar[str] = "your own: --network FILE.py:FUNCTION"
    by_name_alone: ClassVar[bool] = False
    kind: Literal["own"] = "own"
    called: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    input: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] | None = None
    tensors: Annotated[tuple[tuple[str, tuple[PositiveInt, ...], Group], ...], Field(min_length=1)]
    frozen_sha256: Digest | None = None
    sha256: Digest
    answers: Answers | None = Field(default=None, exclude_if=lambda value: value is None)
    _code: Code | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _digest_is_the_layouts(self) -> Own:
        names = [name for name, _, _ in self.tensors]
        if len(set(names)) != len(names):
            raise ValueError(f"a tensor stands twice in the layout of {self.called}")
        found = self._layout().digest().hex()
        if found != self.sha256:
            raise ValueError(f"the layout of {self.called} has the digest {found}, not {self.sha256}")
        return self

    @property
    def identity(self) -> Hashable:
        return self._code

    @property
    def code(self) -> Code | None:
        """What was bound to it here."""
        return self._code

    def require(self) -> Code:
        """Its code.

        Raises
        ------
        NetworkError
            None was bound to it.
        """
        if self._code is None:
            raise NetworkError(
                f"the contract's network {self.called} is each lab's own code, and none was named here",
                fix="name your copy with --network FILE.py:FUNCTION",
            )
        return self._code

    def bound(self, code: Code) -> Own:
        """The same network with its code."""
        out = self.model_copy()
        out._code = code
        return out

    def shape(self, use: Use) -> tuple[int, ...]:
        return self.input or super().shape(use)

    def layout(self, use: Use) -> Layout:
        return self._layout()

    def module(self, use: Use, dropout: float) -> nn.Module:
        return self.built(use, STILL_SEED)

    def built(self, use: Use, seed: int) -> nn.Module:
        """The module as its builder draws it from `seed`, seen to be the contract's; frozen values are those of
        `STILL_SEED` alone.

        Raises
        ------
        NetworkError
            There is no code here, or it is another network's; says where.
        """
        code = self.require()
        module = code.build(use, seed)
        if difference := self._difference(module, seed == STILL_SEED):
            raise NetworkError(
                f"is not the contract's network {self.called}: {difference}",
                where=code.where,
                fix="all peers need the same code; `p2pme network check` writes the section of the contract",
            )
        return module

    def _difference(self, module: nn.Module, with_values: bool) -> str | None:
        there = held_by(module)
        for name, shape, _ in self.tensors:
            if name not in there:
                return f"it has no `{name}`"
            if tuple(there[name].shape) != shape:
                return f"`{name}` has shape {tuple(there[name].shape)}, the contract says {shape}"
        found = still_digest(module, {name for name, _, _ in self.tensors})
        if found is not None and self.frozen_sha256 is None:
            return f"it has `{_first_still(module, self)}`, of which the contract says nothing"
        same = found == self.frozen_sha256 or not with_values
        return None if same else "the values of its frozen layers differ"

    def _layout(self) -> Layout:
        shapes = tuple((name, shape) for name, shape, _ in self.tensors)
        return Layout(shapes, tuple(group for _, _, group in self.tensors))


def _first_still(module: nn.Module, own: Own) -> str:
    trained = {name for name, _, _ in own.tensors}
    return next(name for name in held_by(module) if name not in trained and not _is_a_count(name))


def held_by(module: nn.Module) -> Mapping[str, Tensor]:
    """All that makes a module what it is, each tensor once: parameters, and the buffers that are saved with them."""
    saved = module.state_dict()
    buffers = {name: value for name, value in module.named_buffers() if name in saved}
    return {**dict(module.named_parameters()), **buffers}


def still_digest(module: nn.Module, trained: set[str]) -> str | None:
    """SHA-256 (hex) of what a module holds beside what is trained; None where that is nothing.

    The count of batches that torch's normalisation keeps is no part of it: nothing reads it.
    """
    digest, any_still = hashlib.sha256(), False
    for name, value in held_by(module).items():
        if name in trained or _is_a_count(name):
            continue
        any_still = True
        array = value.detach().cpu().numpy()
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest() if any_still else None


def _is_a_count(name: str) -> bool:
    return name.rpartition(".")[2] == "num_batches_tracked"

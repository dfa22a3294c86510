"""Tensors out of a safetensors file, of the kinds that numpy has: at others its reader raises what comes to hand."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

KINDS = {"BOOL", "U8", "I8", "U16", "I16", "F16", "U32", "I32", "F32", "U64", "I64", "F64"}
"""Names of safetensors for what numpy has, too. It has no bfloat16, and nothing of eight bits or less with a point."""


class _Slice(Protocol):
    def get_dtype(self) -> str: ...


class OpenFile(Protocol):
    """What `safe_open` gives."""

    def get_slice(self, name: str) -> _Slice: ...
    def get_tensor(self, name: str) -> Any: ...


def tensor(file: OpenFile, name: str) -> npt.NDArray[Any]:
    """One tensor of a file that was opened for numpy.

    Raises
    ------
    SafetensorError
        There is none of that name.
    ValueError
        It is of a kind that numpy does not have.
    """
    kind = file.get_slice(name).get_dtype()
    if kind not in KINDS:
        raise ValueError(f"`{name}` is of the kind {kind}, which is not read here")
    found: npt.NDArray[Any] = file.get_tensor(name)
    return found

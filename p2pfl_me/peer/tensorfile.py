"""The safetensors format, written from where the arrays lie: the library writes to files of its own or copies first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy.typing as npt

from p2pfl_me.tensors import little_bytes

Array = npt.NDArray[Any]

_NAMES = {
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "bool": "BOOL",
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
}


def safetensors_parts(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """A file's bytes in order: the header, then each array's memory, which is not copied if it is contiguous."""
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))  # so that all lie aligned
    entries: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name in order:
        array = tensors[name]
        begin, end = end, end + array.nbytes
        entries[name] = {
            "dtype": _NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    yield len(header).to_bytes(8, "little") + header
    for name in order:
        yield little_bytes(tensors[name]).data

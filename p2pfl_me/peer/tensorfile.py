"""The safetensors format, written from where the arrays lie: the library writes to files of its own or copies first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

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
        yield _bytes(tensors[name]).data


def checksum(arrays: Iterable[Array]) -> int:
    """The sum of all 64-bit words, and of each array's last bytes, mod 2^64: as fast as memory can be read.

    No protection against anyone; it finds what was not written, of which a power cut leaves whole pages.
    """
    total = 0
    for array in arrays:
        flat = _bytes(array)
        whole = flat.size // 8 * 8
        total += int(flat[:whole].view(np.uint64).sum(dtype=np.uint64)) + int(flat[whole:].sum())
    return total % 2**64


def _bytes(array: Array) -> npt.NDArray[np.uint8]:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8)

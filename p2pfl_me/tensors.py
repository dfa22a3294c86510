"""Tensors out of a safetensors file, of the kinds that numpy has: at others its reader raises what comes to hand.

A file may lie under a passphrase (`sealing`); then it is opened in memory, and nothing of it is written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from p2pfl_me.files import open_regular, read_regular
from p2pfl_me.parsed import json_of
from p2pfl_me.passphrase import known_passphrase
from p2pfl_me.sealing import Seal, is_sealed

LARGEST_TENSORS = 1 << 36
"""Bytes of a file of tensors: more than any model here has."""
KINDS = {"BOOL", "U8", "I8", "U16", "I16", "F16", "U32", "I32", "F32", "U64", "I64", "F64"}
"""Names of safetensors for what numpy has, too. It has no bfloat16, and nothing of eight bits or less with a point."""

Passphrase = Callable[[str], str]
"""Asked for the passphrase of a file by its name, if it needs one."""


class _Slice(Protocol):
    def get_dtype(self) -> str: ...


class OpenFile(Protocol):
    """What `safe_open` gives."""

    def metadata(self) -> dict[str, str] | None: ...
    def keys(self) -> Any: ...
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


@contextmanager
def open_tensors(path: Path, passphrase: Passphrase = known_passphrase) -> Iterator[OpenFile]:
    """A safetensors file for numpy, sealed or open; `passphrase` is asked with its name where it is sealed.

    Raises
    ------
    OSError, SafetensorError
        It cannot be read, or is none.
    WeightsError
        It does not open with this passphrase, or was changed.
    IdentityError
        There is no passphrase to be had.
    """
    open_regular(path, LARGEST_TENSORS).close()
    if is_sealed(path):
        yield _Opened(Seal(passphrase(path.name)).opened(read_regular(path), str(path)))
    else:
        with safe_open(path, framework="numpy") as file:
            yield file


def asked_once(passphrase: Passphrase = known_passphrase) -> Passphrase:
    """For files that one passphrase opens: whoever sits there types it once."""
    told: dict[None, str] = {}

    def asked(what: str) -> str:
        if None not in told:
            told[None] = passphrase(what)
        return told[None]

    return asked


def checksum(arrays: Iterable[npt.NDArray[Any]]) -> int:
    """The sum of all 64-bit words, and of each array's last bytes, mod 2^64: as fast as memory can be read.

    No protection against anyone; it finds what was not written, of which a power cut leaves whole pages.
    """
    total = 0
    for array in arrays:
        flat = little_bytes(array)
        whole = flat.size // 8 * 8
        total += int(flat[:whole].view(np.uint64).sum(dtype=np.uint64)) + int(flat[whole:].sum())
    return total % 2**64


def little_bytes(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """An array's bytes as they stand in a file, uint8 (n,); not copied if it is contiguous."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8)


class _Opened:
    """What `peer.tensorfile` wrote, in memory; it is authentic, so only what that writes is read."""

    def __init__(self, data: bytes) -> None:
        size = int.from_bytes(data[:8], "little")
        self._entries: dict[str, Any] = json_of(data[8 : 8 + size])
        self._metadata: dict[str, str] = self._entries.pop("__metadata__", {})
        self._body = memoryview(data)[8 + size :]

    def metadata(self) -> dict[str, str]:
        return self._metadata

    def keys(self) -> list[str]:
        return sorted(self._entries)

    def get_slice(self, name: str) -> _Slice:
        if name not in self._entries:
            raise SafetensorError(f"File does not contain tensor {name}")
        return _Kind(self._entries[name]["dtype"])

    def get_tensor(self, name: str) -> npt.NDArray[Any]:
        entry = self._entries[name]
        begin, end = entry["data_offsets"]
        return np.frombuffer(self._body[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"]).copy()


class _Kind:
    def __init__(self, name: str) -> None:
        self._name = name

    def get_dtype(self) -> str:
        return self._name


DTYPES = {
    "BOOL": "?",
    **{f"{sign}{8 * size}": f"<{kind}{size}" for sign, kind in (("I", "i"), ("U", "u")) for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}

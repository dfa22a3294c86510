"""A backbone's tensors from a user's file: a torchvision state dict, or Keras' VGG16."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from p2pfl_me.errors import WeightsError
from p2pfl_me.files import require_regular
from p2pfl_me.learning.architectures import Architecture
from p2pfl_me.machine import growing_at_most
from p2pfl_me.message import Vector

Tensors = Mapping[str, Vector]

CHANNELS = (
    (0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256), (14, 256, 256),
    (17, 256, 512), (19, 512, 512), (21, 512, 512), (24, 512, 512), (26, 512, 512), (28, 512, 512),
)  # fmt: skip
"""(index in torchvision's `features`, input channels, output channels) of the thirteen convolutions."""
KERAS = tuple(f"block{block}_conv{k}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for k in range(1, count + 1))
"""Keras' names of the thirteen, in the same order."""
TIMES, MORE = 4, 1 << 29
"""Bytes that torch's and HDF5's readers may take: so many for each of the file, and so many more. A few bytes of either
format can ask for any number."""
SAFE = (2, 6)
"""The first torch whose reading of a state dict runs nothing that stands in it (CVE-2025-32434)."""


def read_weights(path: Path, architecture: Architecture) -> Tensors:
    """All tensors of an architecture from a torchvision state dict (.pth, .safetensors), or of VGG16 from a Keras
    notop file (.h5).

    Raises
    ------
    WeightsError
        Another ending, unreadable, a tensor missing or of another shape, or more memory asked for than a file of its
        size is given (`TIMES`, `MORE`).
    """
    readers: dict[str, Callable[[Path, Architecture], Tensors]] = {
        ".pth": _from_pth,
        ".pt": _from_pth,
        ".safetensors": _from_safetensors,
        ".h5": _from_keras,
    }
    reader = readers.get(path.suffix)
    if reader is None:
        raise WeightsError(
            "unknown ending", where=str(path), fix="give .pth, .safetensors (torchvision) or .h5 (Keras)"
        )
    try:
        require_regular(path)
        tensors = reader(path, architecture)
    except WeightsError:
        raise
    except MemoryError as error:
        raise _greedy(path) from error
    except Exception as error:  # each format's library raises its own kinds on a damaged file
        raise WeightsError(f"cannot be read: {error}", where=str(path), fix="check or fetch the file again") from error
    out = {}
    kind, prefix = architecture.name, architecture.prefix
    for name, shape in architecture.shapes.items():
        if name not in tensors:
            raise WeightsError(f"`{prefix}{name}` is missing", where=str(path), fix=f"give the weights of a {kind}")
        if tensors[name].shape != shape:
            raise WeightsError(
                f"`{prefix}{name}` has shape {tensors[name].shape}, that of a {kind} is {shape}",
                where=str(path),
                fix="give torchvision's, VGG16 without batch normalisation",
            )
        out[name] = np.ascontiguousarray(tensors[name], dtype=np.float32)
    if not all(np.isfinite(value).all() for value in out.values()):
        raise WeightsError("holds NaN or infinite weights", where=str(path), fix="fetch the file again")
    return out


def torchvision_names(architecture: Architecture, names: Iterable[str], get: Callable[[str], Vector]) -> Tensors:
    """Accept both a whole network (`features.0.weight`) and its features alone (`0.weight`)."""
    found = {name.removeprefix(architecture.prefix): name for name in names}
    return {short: get(found[short]) for short in architecture.shapes if short in found}


def _from_pth(path: Path, architecture: Architecture) -> Tensors:
    if tuple(map(int, torch.__version__.split(".")[:2])) < SAFE:
        raise WeightsError(
            f"torch {torch.__version__} can be made to run code by such a file",
            where=str(path),
            fix="pip install 'torch>=2.6', or give the weights as .safetensors",
        )
    try:
        with _within_reason(path):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # of many kinds, whose words are a number or advice to load the file with less care
        if "allocate memory" in str(error):  # torch's own allocator, which knows no MemoryError
            raise _greedy(path) from error
        raise _no_state_dict(path) from error
    if not isinstance(state, Mapping):
        raise _no_state_dict(path)
    shapes = {
        f"{prefix}{name}": shape for name, shape in architecture.shapes.items() for prefix in ("", architecture.prefix)
    }

    def read(name: str) -> Vector:
        tensor = state[name]
        return tensor.float().numpy() if tensor.shape == shapes[name] else _only_shape(tensor.shape)

    return torchvision_names(architecture, state, read)


def _within_reason(path: Path) -> AbstractContextManager[None]:
    return growing_at_most(TIMES * path.stat().st_size + MORE)


def _greedy(path: Path) -> WeightsError:
    size = path.stat().st_size
    return WeightsError(
        f"asks for more than {(TIMES * size + MORE) / 1e6:,.0f} MB of memory, and has {size / 1e6:,.1f} MB: it is "
        "damaged, or was made to exhaust its reader",
        where=str(path),
        fix="fetch it again, from where it is published",
    )


def _only_shape(shape: tuple[int, ...]) -> Vector:
    """In place of a tensor that will be refused for its shape: a file of a few bytes may speak of any."""
    return np.broadcast_to(np.float32(0), shape)


def _no_state_dict(path: Path) -> WeightsError:
    return WeightsError(
        "cannot be read: it is no state dict, which holds tensors and nothing else, or it is damaged",
        where=str(path),
        fix="fetch it again, or write it with torch.save(model.state_dict(), ...)",
    )


def _from_safetensors(path: Path, architecture: Architecture) -> Tensors:
    with safe_open(path, framework="numpy") as file:
        return torchvision_names(architecture, file.keys(), file.get_tensor)


def _from_keras(path: Path, architecture: Architecture) -> Tensors:
    if architecture.name != "vgg16":
        raise WeightsError(
            f"Keras files are read of VGG16 only, not of {architecture.name}",
            where=str(path),
            fix="give torchvision's .pth or .safetensors",
        )
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            "reading Keras files needs h5py", where=str(path), fix="pip install 'p2pfl_me[keras]'"
        ) from error
    arrays: dict[str, h5py.Dataset] = {}
    with _within_reason(path), h5py.File(path, "r") as file:
        # `layer/layer/kernel:0` or `model_weights/layer/...`: the last two parts of a path say what it is.
        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                layer, kind = ([part for part in name.split("/") if part in KERAS] or [""])[-1], name.split("/")[-1]
                arrays[f"{layer}/{kind.split(':')[0]}"] = item

        file.visititems(visit)
        out: dict[str, Vector] = {}
        for (index, _, _), layer in zip(CHANNELS, KERAS, strict=True):
            # Older Keras files name the arrays block1_conv1_W_1:0 and block1_conv1_b_1:0.
            for kind, names in (("weight", ("kernel", f"{layer}_W_1")), ("bias", ("bias", f"{layer}_b_1"))):
                for name in names:
                    if (item := arrays.get(f"{layer}/{name}")) is not None:
                        out[f"{index}.{kind}"] = _of_keras(item, architecture.shapes.get(f"{index}.{kind}"))
    return out


def _of_keras(item: Any, shape: tuple[int, ...] | None) -> Vector:
    """A dataset with its channels in torch's order, read only where it has the shape that is due, of plain numbers: one
    of arrays or of long words takes as much for each of its places as its maker likes."""
    if item.dtype.kind not in "fiu" or item.dtype.subdtype is not None:
        raise ValueError(f"`{item.name}` holds {item.dtype}, no plain numbers")
    order = (3, 2, 0, 1) if len(item.shape) == 4 else tuple(range(len(item.shape)))
    found = tuple(item.shape[axis] for axis in order)
    return np.asarray(item).transpose(order) if found == shape else _only_shape(found)

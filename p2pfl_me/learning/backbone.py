"""VGG16's convolutional weights from the contract's source, kept once per machine as a mapped safetensors file.

Every process of this user maps the same file, so ten local peers hold one copy.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from p2pfl_me.contract import Contract, derive_seed
from p2pfl_me.errors import WeightsError
from p2pfl_me.message import Vector

Tensors = Mapping[str, Vector]

CHANNELS = (
    (0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256), (14, 256, 256),
    (17, 256, 512), (19, 512, 512), (21, 512, 512), (24, 512, 512), (26, 512, 512), (28, 512, 512),
)  # fmt: skip
"""(index in torchvision's `features`, input channels, output channels) of the thirteen convolutions."""
SHAPES: dict[str, tuple[int, ...]] = {
    name: shape
    for index, inputs, outputs in CHANNELS
    for name, shape in ((f"{index}.weight", (outputs, inputs, 3, 3)), (f"{index}.bias", (outputs,)))
}
KERAS = tuple(f"block{block}_conv{k}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for k in range(1, count + 1))
"""Keras' names of the thirteen, in the same order."""


@dataclass(frozen=True)
class Backbone:
    """The weights by their names in torchvision's `features`, float32, mapped read-only; and their SHA-256."""

    tensors: Tensors = field(repr=False)
    digest: bytes


def load_backbone(contract: Contract, *, cache: Path, weights: Path | None = None) -> Backbone:
    """The backbone that the contract names.

    Parameters
    ----------
    cache:
        The user's private cache folder, where the canonical copy lies.
    weights:
        The user's own file, for `source: file`; needed once, then the cache has it.

    Raises
    ------
    WeightsError
        The file is missing, not the contract's, or not a VGG16; or ImageNet's weights cannot be had offline.
    """
    source = contract.model.weights
    if source.source == "seed":
        seed = derive_seed(contract.seed, "backbone")
        return _kept(cache / f"backbone-seed1-{seed:016x}.safetensors", lambda: _random(seed))
    if source.source == "imagenet":
        return _kept(cache / "backbone-imagenet1k-v1.safetensors", _imagenet)
    kept = cache / f"backbone-file-{str(source.sha256)[:32]}.safetensors"
    if weights is None:
        if kept.exists():  # read before, from a file with the contract's digest
            return _kept(kept, dict)
        raise WeightsError(
            "the contract takes the backbone from a file, and none was named", fix="name your copy with --weights FILE"
        )
    found = _sha256(weights)
    if found != source.sha256:
        raise WeightsError(
            f"has SHA-256 {found[:16]}..., the contract names {str(source.sha256)[:16]}...",
            where=str(weights),
            fix="all peers need the same file; compare with `sha256sum`",
        )
    return _kept(kept, lambda: read_weights(weights))


def read_weights(path: Path) -> Tensors:
    """Thirteen convolutions from a torchvision state dict (.pth, .safetensors) or a Keras notop file (.h5).

    Raises
    ------
    WeightsError
        Another ending, unreadable, or a tensor missing or of another shape.
    """
    readers: dict[str, Callable[[Path], Tensors]] = {
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
        tensors = reader(path)
    except WeightsError:
        raise
    except Exception as error:  # each format's library raises its own kinds on a damaged file
        raise WeightsError(f"cannot be read: {error}", where=str(path), fix="check or fetch the file again") from error
    out = {}
    for name, shape in SHAPES.items():
        if name not in tensors:
            raise WeightsError(f"`features.{name}` is missing", where=str(path), fix="give the weights of a VGG16")
        if tensors[name].shape != shape:
            raise WeightsError(
                f"`features.{name}` has shape {tensors[name].shape}, a VGG16's is {shape}",
                where=str(path),
                fix="give the weights of a VGG16 (without batch normalisation)",
            )
        out[name] = np.ascontiguousarray(tensors[name], dtype=np.float32)
    if not all(np.isfinite(value).all() for value in out.values()):
        raise WeightsError("holds NaN or infinite weights", where=str(path), fix="fetch the file again")
    return out


def _torchvision_names(names: Iterable[str], get: Callable[[str], Vector]) -> Tensors:
    """Accept both a whole VGG16 (`features.0.weight`) and its features alone (`0.weight`)."""
    found = {name.removeprefix("features."): name for name in names}
    return {short: get(found[short]) for short in SHAPES if short in found}


def _from_pth(path: Path) -> Tensors:
    state = torch.load(path, map_location="cpu", weights_only=True)
    return _torchvision_names(state, lambda name: state[name].float().numpy())


def _from_safetensors(path: Path) -> Tensors:
    with safe_open(path, framework="numpy") as file:
        return _torchvision_names(file.keys(), file.get_tensor)


def _from_keras(path: Path) -> Tensors:
    try:
        import h5py
    except ImportError as error:
        raise WeightsError(
            "reading Keras files needs h5py", where=str(path), fix="pip install 'p2pfl_me[keras]'"
        ) from error
    arrays: dict[str, Vector] = {}
    with h5py.File(path, "r") as file:
        # `layer/layer/kernel:0` or `model_weights/layer/...`: the last two parts of a path say what it is.
        def visit(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                layer, kind = ([part for part in name.split("/") if part in KERAS] or [""])[-1], name.split("/")[-1]
                arrays[f"{layer}/{kind.split(':')[0]}"] = np.asarray(item)

        file.visititems(visit)
    out: dict[str, Vector] = {}
    for (index, _, _), layer in zip(CHANNELS, KERAS, strict=True):
        # Older Keras files name the arrays block1_conv1_W_1:0 and block1_conv1_b_1:0.
        for kind, names in (("weight", ("kernel", f"{layer}_W_1")), ("bias", ("bias", f"{layer}_b_1"))):
            for name in names:
                if (array := arrays.get(f"{layer}/{name}")) is not None:
                    out[f"{index}.{kind}"] = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
    return out


def _imagenet() -> Tensors:
    from p2pfl_me.learning.vision import torchvision_models

    models = torchvision_models()
    try:
        state = models.VGG16_Weights.IMAGENET1K_V1.get_state_dict(progress=True, check_hash=True)
    except Exception as error:  # urllib, SSL and socket errors of many kinds
        raise WeightsError(
            f"torchvision's ImageNet weights cannot be had: {error}",
            fix="go online once, put vgg16-397923af.pth into torch's hub cache, or name a file "
            "(model.weights: {source: file, sha256: ...} with --weights FILE)",
        ) from error
    return _torchvision_names(state, lambda name: state[name].numpy())


def _random(seed: int) -> Tensors:
    """He-normal (fan-in) kernels whose filters sum to zero, and zero biases.

    With plain He kernels the positive mean of ReLU activations grows from layer to layer until all images look alike
    (correlation 0.98 between the features of different clips); filters that sum to zero let it through nowhere.
    """
    random = np.random.default_rng(seed)
    out: dict[str, Vector] = {}
    for name, shape in SHAPES.items():
        if name.endswith("bias"):
            out[name] = np.zeros(shape, dtype=np.float32)
        else:
            deviation = np.float32(math.sqrt(2 / math.prod(shape[1:])))
            kernels = random.standard_normal(shape, dtype=np.float32)
            out[name] = (kernels - kernels.mean(axis=(1, 2, 3), keepdims=True)) * deviation
    return out


def _kept(path: Path, make: Callable[[], Tensors]) -> Backbone:
    """Make the canonical copy once (peers start together: one makes it, the others wait), then map it."""
    if not path.exists():
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                tensors = dict(make())
                draft = path.with_suffix(".tmp")
                save_file(tensors, draft, {"sha256": _digest(tensors)})
                draft.chmod(0o600)
                draft.replace(path)
    try:
        with safe_open(path, framework="pt") as file:
            digest = bytes.fromhex((file.metadata() or {})["sha256"])
            tensors = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WeightsError(f"damaged: {error}", where=str(path), fix="delete it; it will be made again") from error
    return Backbone(tensors, digest)


def _digest(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name], dtype="<f4").data)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"cannot be read: {error.strerror}", where=str(path), fix="name it with --weights"
        ) from error

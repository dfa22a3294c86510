"""The frozen backbone's weights from the contract's source, kept once per machine as a mapped safetensors file.

Every process of this user maps the same file, so ten local peers hold one copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from p2pfl_me.atomic import replacing
from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.data.trained_on import copy_trained_on, kept_trained_on
from p2pfl_me.errors import WeightsError
from p2pfl_me.files import locked, open_regular, require_regular
from p2pfl_me.learning.architectures import Architecture, architecture_of
from p2pfl_me.learning.seeded import seeded_tensors
from p2pfl_me.learning.weight_files import Tensors, read_weights, torchvision_names


@dataclass(frozen=True)
class Backbone:
    """The weights by torchvision's names, float32, mapped read-only; and their SHA-256."""

    architecture: Architecture
    tensors: Tensors = field(repr=False)
    digest: bytes


def load_backbone(contract: Contract, *, cache: Path, weights: Path | None = None) -> Backbone:
    """The backbone that the contract names.

    Parameters
    ----------
    cache:
        The user's private cache folder, where the canonical copy lies.
    weights:
        The user's own file, for `source: file` only; needed once, then the cache has it.

    Raises
    ------
    WeightsError
        The file is missing, not the contract's, of another network, or given where the contract takes none; or
        ImageNet's weights cannot be had offline.
    """
    source, architecture = contract.model.weights, architecture_of(contract.model.backbone.kind)
    if weights is not None and source.source != "file":
        raise WeightsError(
            f"is not what the contract takes: its backbone comes from `source: {source.source}`",
            where=str(weights),
            fix=f"write model.weights: {{source: file, sha256: {_sha256(weights)}}}, or leave --weights out",
        )
    # VGG16's copies were named before there were others.
    kind = "" if architecture.name == "vgg16" else f"{architecture.name}-"
    if source.source == "seed":
        seed = derive_seed(contract.seed, "backbone")
        path = cache / f"backbone-{kind}seed1-{seed:016x}.safetensors"
        return _kept(architecture, path, lambda: seeded_tensors(architecture, seed))
    if source.source == "imagenet":
        path = cache / f"backbone-{architecture.network.key}.safetensors"
        return _kept(architecture, path, lambda: _imagenet(architecture))
    path = cache / f"backbone-{kind}file-{str(source.sha256)[:32]}.safetensors"
    if weights is None:
        if path.exists():  # read before, from a file with the contract's digest
            return _kept(architecture, path, dict)
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
    if not (record := kept_trained_on(source, cache)).exists():
        copy_trained_on(weights, record)
    return _kept(architecture, path, lambda: read_weights(weights, architecture))


def _imagenet(architecture: Architecture) -> Tensors:
    if (packaged := architecture.network.packaged()) is not None:
        if (found := _sha256(packaged.file)) != packaged.sha256:
            raise WeightsError(
                f"has SHA-256 {found[:16]}..., the published weights {packaged.sha256[:16]}...",
                where=str(packaged.file),
                fix="install the package again",
            )
        return read_weights(packaged.file, architecture)
    from p2pfl_me.learning.vision import torchvision_models

    models = torchvision_models()
    try:
        named = getattr(models, architecture.network.imagenet).IMAGENET1K_V1
        state = named.get_state_dict(progress=True, check_hash=True)
    except Exception as error:  # urllib, SSL and socket errors of many kinds
        raise WeightsError(
            f"torchvision's ImageNet weights cannot be had: {error}",
            fix="go online once, put the file into torch's hub cache, or name a file "
            "(model.weights: {source: file, sha256: ...} with --weights FILE)",
        ) from error
    return torchvision_names(architecture, state, lambda name: state[name].numpy())


def _kept(architecture: Architecture, path: Path, make: Callable[[], Tensors]) -> Backbone:
    """Make the canonical copy once (peers start together: one makes it, the others wait), then map it."""
    if not path.exists():
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                tensors = dict(make())
                with replacing(path) as draft:
                    save_file(tensors, draft, {"sha256": _digest(tensors)})
    try:
        require_regular(path, own=True)
        with safe_open(path, framework="pt") as file:
            digest = bytes.fromhex((file.metadata() or {})["sha256"])
            tensors = {name: file.get_tensor(name).numpy() for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:  # TypeError: a kind numpy has not
        raise WeightsError(f"damaged: {error}", where=str(path), fix="delete it; it will be made again") from error
    return Backbone(architecture, tensors, digest)


def _digest(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensors[name], dtype="<f4").data)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    try:
        with open_regular(path, None) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(
            f"cannot be read: {error.strerror}", where=str(path), fix="name it with --weights"
        ) from error

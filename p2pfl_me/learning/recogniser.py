"""A trained model that gives a face input's class probabilities, whatever computes them.

A run folder holds one model a peer; what is used is their average or one of them. The live page, `p2pme predict` and
the export speak to a model through this seam alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from torch import nn

from p2pfl_me.contract import Contract, digest, load_contract
from p2pfl_me.errors import NetworkError, RunError, WeightsError
from p2pfl_me.files import undrafted
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.features import normalise
from p2pfl_me.learning.network import assemble
from p2pfl_me.learning.own import with_network
from p2pfl_me.message import Vector
from p2pfl_me.networks.code import Given
from p2pfl_me.networks.kinds.own import Own
from p2pfl_me.networks.layout import Layout
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.manifest import read_manifest_file
from p2pfl_me.tensors import Passphrase, asked_once, open_tensors, tensor
from p2pfl_me.widths import holders

BATCH = 64

Image = npt.NDArray[np.uint8]
Runtime = Literal["torch", "onnx"]


class Recogniser(Protocol):
    """What a user of a trained model needs of it."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def contract(self) -> Contract: ...
    @property
    def warnings(self) -> tuple[str, ...]:
        """What stands on every page of the run that trained it, as that its faces were drawn."""
        ...

    def scores(self, images: Image) -> Vector:
        """uint8 (N, S, S, 3) RGB inputs -> class probabilities, float32 (N, K), in the order of `classes`."""
        ...


class TorchRecogniser:
    """The assembled network in PyTorch, on the CPU."""

    def __init__(self, contract: Contract, network: nn.Module, warnings: tuple[str, ...] = ()) -> None:
        self._contract, self._warnings = contract, warnings
        self._network = network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def classes(self) -> tuple[str, ...]:
        return self._contract.model.classes

    @property
    def contract(self) -> Contract:
        return self._contract

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._warnings

    def scores(self, images: Image) -> Vector:
        out = np.empty((len(images), len(self.classes)), dtype=np.float32)
        with torch.inference_mode():
            for begin in range(0, len(images), BATCH):
                batch = normalise(images[begin : begin + BATCH]).contiguous(memory_format=torch.channels_last)
                out[begin : begin + BATCH] = self._network(batch).softmax(1).numpy()
        return out


def load_recogniser(
    model: Path,
    *,
    runtime: Runtime | None = None,
    peer: int | None = None,
    home: Path,
    weights: Path | None = None,
    network: Given | None = None,
) -> Recogniser:
    """The model in a run folder (the average of its peers' last checkpoints, or one peer's own), or an exported file.

    Parameters
    ----------
    runtime:
        What is to compute it; by default PyTorch a run folder and ONNX Runtime a file, which is all that either can.
    home:
        The user's private folder, in whose cache the backbone lies or is made.
    weights:
        The backbone's file, where the contract takes it from one that is not in the cache yet.
    network:
        The code of the user's own network, where the run's contract states one.

    Raises
    ------
    RunError
        No run, or no checkpoint of that peer.
    WeightsError
        A checkpoint or file is damaged or another contract's, the backbone cannot be had, or the runtime cannot
        compute such a model.
    """
    if model.is_file():
        return _from_file(model, runtime, peer)
    if runtime == "onnx":
        raise WeightsError(
            "is a run folder, which ONNX Runtime cannot compute",
            where=str(model),
            fix=f"write a file with `p2pme export {model} -o model.onnx` and name that",
        )
    contract = run_contract(model, network)
    params = final_params(model, contract, peer)
    module = assemble(contract, params, cache=cache_dir(home), weights=weights)
    return TorchRecogniser(contract, module, run_warnings(model))


def _from_file(path: Path, runtime: Runtime | None, peer: int | None) -> Recogniser:
    if runtime == "torch":
        raise WeightsError("PyTorch cannot compute an exported file", where=str(path), fix="take --runtime onnx")
    if peer is not None:
        raise WeightsError("an exported file holds one model", where=str(path), fix="leave the peer out")
    from p2pfl_me.learning.onnx_recogniser import OnnxRecogniser

    return OnnxRecogniser(path)


def clip_scores(scores: Vector) -> Vector:
    """A clip's class probabilities, float32 (K,), from those of its samples (n, K): the softmax of their mean logits.

    A logarithm of probabilities is logits less a number that all classes share, which the softmax takes out again.
    """
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny)).mean(axis=0)
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), dtype=np.float32)


def run_contract(run: Path, network: Given | None = None) -> Contract:
    """The contract of a run folder, with the code of the network that it states.

    Raises
    ------
    RunError
        Not the folder of one run.
    """
    path = RunFolder(run).contract
    if not path.is_file():
        several = [each.parent.name for each in undrafted(run.glob("*/contract.yaml"), run)] if run.is_dir() else []
        raise RunError(
            "holds several runs" if several else "is not a run folder: it has no contract.yaml",
            where=str(run),
            fix=f"name one of them, like {run / several[0]}" if several else "name the folder that --out named",
        )
    contract = load_contract(path)
    if network is None:
        return contract
    if not isinstance(contract.model.backbone, Own):
        raise NetworkError(
            f"the run's network is {contract.model.backbone}, not one of your own",
            where=str(path),
            fix="leave --network out",
        )
    return with_network(contract, network)


def run_warnings(run: Path) -> tuple[str, ...]:
    """What must stand beside a run's model wherever it goes; nothing of a run that says nothing of itself."""
    manifest = read_manifest_file(RunFolder(run))
    return manifest.said_warnings if manifest else ()


def final_params(run: Path, contract: Contract, peer: int | None = None) -> Vector:
    """One peer's last model, or the average of all, each value over those that hold it: float32 (P,).

    Raises
    ------
    RunError
        There is no such checkpoint.
    WeightsError
        A checkpoint is damaged or was written under another contract.
    """
    layout = contract.model.layout
    paths = {peer: path for peer, path in _checkpoints(run, contract.peers.count, peer) if path.is_file()}
    if not paths:
        which = "peers have" if peer is None else f"peer {peer} has"
        raise RunError(f"{which} left no checkpoint", where=str(run), fix="let the run finish a round, or name another")
    total, asked = np.zeros(layout.size, dtype=np.float64), asked_once()
    for path in paths.values():
        total += _params(path, contract, layout, asked)
    return (total / holders(layout.dimensions, map(contract.peers.width, paths))).astype(np.float32)


def _checkpoints(run: Path, count: int, peer: int | None) -> Iterable[tuple[int, Path]]:
    if peer is not None and not 0 <= peer < count:
        raise RunError(f"there is no peer {peer}", where=str(run), fix=f"choose one from 0 to {count - 1}")
    return ((each, RunFolder(run).checkpoint(each)) for each in (range(count) if peer is None else (peer,)))


def _params(path: Path, contract: Contract, layout: Layout, passphrase: Passphrase) -> Vector:
    try:
        with open_tensors(path, passphrase) as file:
            agreed = (file.metadata() or {}).get("contract_digest")
            params: Vector = tensor(file, "params")
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(
            f"not a checkpoint of p2pme: {error}", where=str(path), fix="remove it, or name another run"
        ) from error
    if agreed != digest(contract).hex() or params.dtype != np.float32 or params.shape != (layout.size,):
        raise WeightsError(
            "was written under another contract than the folder's contract.yaml", where=str(path), fix="remove it"
        )
    if not np.isfinite(params).all():
        raise WeightsError("holds NaN or infinite parameters", where=str(path), fix="remove it, or name another run")
    return params

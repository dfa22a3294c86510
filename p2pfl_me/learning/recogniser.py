"""A trained model that gives a face input's class probabilities, whatever computes them.

A run folder holds one model a peer; what is used is their average or one of them. The live page, `p2pme predict` and
the export speak to a model through this seam alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from p2pfl_me.contract import Contract
from p2pfl_me.errors import WeightsError
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.features import normalise
from p2pfl_me.learning.network import assemble
from p2pfl_me.learning.run_models import final_params, run_contract, run_network, run_warnings
from p2pfl_me.message import Vector
from p2pfl_me.networks.code import Given

BATCH = 64
ROUNDING = 1 / 256
"""What a probability may be off: an int8 file gives no finer ones."""

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

    @property
    def network(self) -> str:
        """What the network was before the run trained it, as its pages say; empty of a file that does not say."""
        ...

    def scores(self, images: Image) -> Vector:
        """uint8 (N, S, S, 3) RGB inputs -> class probabilities, float32 (N, K), in the order of `classes`."""
        ...


class TorchRecogniser:
    """The assembled network in PyTorch, on the CPU."""

    def __init__(
        self, contract: Contract, module: nn.Module, warnings: tuple[str, ...] = (), network: str = ""
    ) -> None:
        self._contract, self._warnings, self._said = contract, warnings, network
        self._module = module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def classes(self) -> tuple[str, ...]:
        return self._contract.model.classes

    @property
    def contract(self) -> Contract:
        return self._contract

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._warnings

    @property
    def network(self) -> str:
        return self._said

    def scores(self, images: Image) -> Vector:
        out = np.empty((len(images), len(self.classes)), dtype=np.float32)
        with torch.inference_mode():
            for begin in range(0, len(images), BATCH):
                batch = normalise(images[begin : begin + BATCH]).contiguous(memory_format=torch.channels_last)
                out[begin : begin + BATCH] = self._module(batch).softmax(1).numpy()
        return probabilities(out, f"the model of {self._contract.name}")


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
        A checkpoint or file is damaged, changed or another contract's, the backbone cannot be had, or the runtime
        cannot compute such a model.
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
    return TorchRecogniser(contract, module, run_warnings(model), run_network(model, contract))


def _from_file(path: Path, runtime: Runtime | None, peer: int | None) -> Recogniser:
    if runtime == "torch":
        raise WeightsError("PyTorch cannot compute an exported file", where=str(path), fix="take --runtime onnx")
    if peer is not None:
        raise WeightsError("an exported file holds one model", where=str(path), fix="leave the peer out")
    from p2pfl_me.learning.onnx_recogniser import OnnxRecogniser

    return OnnxRecogniser(path)


def probabilities(scores: Vector, name: str) -> Vector:
    """What a model gave for some images, float32 (N, K), once it is seen to be probabilities.

    Raises
    ------
    WeightsError
        It is not: a model that diverged gives NaN, and a file may hold anything.
    """
    off = np.abs(scores.sum(axis=1) - 1)
    if not ((scores >= 0).all() and (off <= ROUNDING * scores.shape[1]).all()):  # neither of which NaN is
        raise WeightsError(
            "gives numbers that are no probabilities",
            where=name,
            fix="look at its run's report: it may have diverged; or take another model",
        )
    return scores


def clip_scores(scores: Vector) -> Vector:
    """A clip's class probabilities, float32 (K,), from those of its samples (n, K): the softmax of their mean logits.

    A logarithm of probabilities is logits less a number that all classes share, which the softmax takes out again.
    """
    logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny)).mean(axis=0)
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), dtype=np.float32)

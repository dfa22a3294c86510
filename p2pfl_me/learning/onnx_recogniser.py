"""A recogniser that ONNX Runtime computes from a file written by `p2pme export`; PyTorch is not used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import P2pmeError, WeightsError
from p2pfl_me.files import require_regular
from p2pfl_me.learning.recogniser import BATCH, Image
from p2pfl_me.message import Vector


class OnnxRecogniser:
    """One file's model on the CPU.

    Raises
    ------
    WeightsError
        ONNX Runtime is not installed, or the file is not one of `p2pme export`.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise WeightsError("ONNX Runtime is not installed", fix="pip install 'p2pfl_me[export]'") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            require_regular(path)
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            described = self._session.get_modelmeta().custom_metadata_map
            self._contract = contract_from_yaml(described["contract"], name=f"{path} (its contract)")
            self._warnings = tuple(map(str, json.loads(described.get("warnings", "[]"))))
        except P2pmeError:
            raise
        except Exception as error:  # ONNX Runtime raises kinds of its own, which derive from nothing in common
            what = "it was not written by p2pme" if isinstance(error, KeyError) else str(error)
            raise WeightsError(
                f"not an exported model: {what}", where=str(path), fix="write one with `p2pme export RUN -o FILE`"
            ) from error
        self._input = self._session.get_inputs()[0].name

    @property
    def classes(self) -> tuple[str, ...]:
        return self._contract.model.classes

    @property
    def contract(self) -> Contract:
        """The contract that the model was trained under, without the peers' addresses and keys."""
        return self._contract

    @property
    def warnings(self) -> tuple[str, ...]:
        """What stood on every page of the run that trained it."""
        return self._warnings

    def scores(self, images: Image) -> Vector:
        out = np.empty((len(images), len(self.classes)), dtype=np.float32)
        for begin in range(0, len(images), BATCH):
            (out[begin : begin + BATCH],) = self._session.run(None, {self._input: images[begin : begin + BATCH]})
        return out

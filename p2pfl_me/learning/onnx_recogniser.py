"""A recogniser that ONNX Runtime computes from a file written by `p2pme export`; PyTorch is not used."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import P2pmeError, WeightsError
from p2pfl_me.files import read_regular
from p2pfl_me.learning.onnx_seal import is_whole
from p2pfl_me.learning.recogniser import BATCH, Image, probabilities
from p2pfl_me.message import Vector
from p2pfl_me.parsed import json_of

LARGEST = 1 << 31
"""Bytes of a file that is read: more than ONNX allows one to have."""
CUT = "not an exported model: no digest stands at its end, so it is another program's, an older p2pme's, or cut"
CHANGED = "was changed after it was written: its digest is of other bytes"
FIX = "write one with `p2pme export RUN -o FILE`"


class OnnxRecogniser:
    """One file's model on the CPU.

    Raises
    ------
    WeightsError
        ONNX Runtime is not installed, or the file is not one of `p2pme export`, was changed after it was written, or
        takes or gives something else than its contract says.
    ContractError
        What stands in it as its contract is none.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise WeightsError("ONNX Runtime is not installed", fix="pip install 'p2pfl_me[export]'") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._path = path
        try:
            data = read_regular(path, LARGEST)
            if not (whole := is_whole(data)):
                raise WeightsError(CUT if whole is None else CHANGED, where=str(path), fix=FIX)
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            described = self._session.get_modelmeta().custom_metadata_map
            self._contract = contract_from_yaml(described["contract"], name=f"{path} (its contract)")
            self._warnings = _warnings(described["warnings"])
            self._said = str(described.get("network", ""))
            if not self._said.isprintable():
                raise ValueError("what it says of its network is no line of words")
            self._input = self._require_the_contracts()  # its names are read as words, and may be none
        except P2pmeError:
            raise
        except Exception as error:  # ONNX Runtime raises kinds of its own, which derive from nothing in common
            what = "it was not written by p2pme" if isinstance(error, KeyError) else str(error)
            raise WeightsError(f"not an exported model: {what}", where=str(path), fix=FIX) from error

    def _require_the_contracts(self) -> str:
        """The name of its input, once input and output are seen to be what the contract speaks of."""
        size, classes = self._contract.model.input_size, len(self.classes)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        found = [(each.type, list(each.shape)[1:]) for each in (*inputs, *outputs)]
        if found != [("tensor(uint8)", [size, size, 3]), ("tensor(float)", [classes])]:
            raise WeightsError(
                f"takes or gives something else than its contract says, images of {size}x{size} and {classes} classes",
                where=str(self._path),
                fix=FIX,
            )
        name: str = inputs[0].name
        return name

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

    @property
    def network(self) -> str:
        """What the network was before the run trained it; empty of an older file."""
        return self._said

    def scores(self, images: Image) -> Vector:
        out = np.empty((len(images), len(self.classes)), dtype=np.float32)
        for begin in range(0, len(images), BATCH):
            batch = images[begin : begin + BATCH]
            try:
                (found,) = self._session.run(None, {self._input: batch})
            except Exception as error:  # of its own kinds, as above, and text that is none
                raise WeightsError(f"cannot be computed: {error}", where=str(self._path), fix=FIX) from error
            if found.shape != (len(batch), len(self.classes)):  # a shape that a file states is a word like another
                raise WeightsError(f"gives {found.shape} for {len(batch)} images", where=str(self._path), fix=FIX)
            out[begin : begin + BATCH] = found
        return probabilities(out, str(self._path))


def _warnings(text: str) -> tuple[str, ...]:
    found = json_of(text)
    if not isinstance(found, list) or not all(isinstance(each, str) and each.isprintable() for each in found):
        raise ValueError("its warnings are no list of words")
    return tuple(found)

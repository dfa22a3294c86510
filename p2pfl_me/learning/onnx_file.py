"""A trained network as one ONNX file that needs nothing else: uint8 RGB images in, class probabilities out.

ImageNet's scaling and the softmax are inside, and the metadata say what the file is: so a program in another language
can use it, and `load_recogniser` here. Addresses and keys of the contract's peers are left out.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from p2pfl_me import __version__
from p2pfl_me.atomic import replacing
from p2pfl_me.contract import Contract, digest, dump_contract
from p2pfl_me.contract.model import Loopback, Peers
from p2pfl_me.errors import WeightsError
from p2pfl_me.files import refusing
from p2pfl_me.learning.features import DEVIATION, MEAN
from p2pfl_me.learning.onnx_seal import KEY, sealed
from p2pfl_me.learning.recogniser import Image

INPUT, OUTPUT = "images", "probabilities"
CALIBRATION_BATCH = 16


class Precision(StrEnum):
    FLOAT32 = "float32"
    INT8 = "int8"


class _Whole(nn.Module):
    """uint8 (N, S, S, 3) -> probabilities float32 (N, K)."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", 255 * torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("deviation", 255 * torch.tensor(DEVIATION).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        scaled = (images.permute(0, 3, 1, 2).float() - self.mean) / self.deviation
        out: Tensor = self.network(scaled).softmax(1)
        return out


def require_onnx() -> None:
    """See that the optional packages are there.

    Raises
    ------
    WeightsError
        They are not.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise WeightsError(f"ONNX needs `{error.name}`", fix="pip install 'p2pfl_me[export]'") from error


def write_onnx(
    module: nn.Module,
    contract: Contract,
    source: str,
    path: Path,
    warnings_of_run: Sequence[str] = (),
    network: str = "",
) -> None:
    """Write the float32 file; `source` says which model it is, `warnings_of_run` what must be known of it, `network`
    what it was before its run."""
    size = contract.model.input_size
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # torch's exporter talks to itself
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Whole(module).eval(),
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    save_described(program.model_proto, contract, source, path, warnings_of_run, network)


def save_described(
    model: Any, contract: Contract, source: str, path: Path, warnings_of_run: Sequence[str] = (), network: str = ""
) -> None:
    """Write a float32 ModelProto with what its file says of itself, and its digest."""
    _save(model, path, _described(contract, source, Precision.FLOAT32, warnings_of_run, network))


def quantise(source: Path, path: Path, images: Image) -> None:
    """The int8 twin of a float32 file: weights and activations of 8 bits, whose ranges `images` (n, S, S, 3) show.

    Static quantisation (Jacob et al., CVPR 2018) with a scale for every output channel. Weights keep to 7 bits:
    processors without VNNI add pairs of products in 16 bits, which full weights would overflow.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Batches(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches = iter(range(0, len(images), CALIBRATION_BATCH))

        def get_next(self) -> dict[str, Any] | None:
            begin = next(self._batches, None)
            return None if begin is None else {INPUT: images[begin : begin + CALIBRATION_BATCH]}

    with tempfile.TemporaryDirectory() as folder:
        prepared, quantised = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        with _vectors_have_no_channels():
            quantize_static(
                str(prepared),
                str(quantised),
                Batches(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        model = onnx.load(str(quantised))
    known = {each.key: each.value for each in onnx.load(str(source), load_external_data=False).metadata_props}
    del known[KEY.decode()]  # of the other file
    _save(model, path, {**known, "precision": Precision.INT8.value})


@contextlib.contextmanager
def _vectors_have_no_channels() -> Iterator[None]:
    """A vector, as a normalisation's weights, gets one scale: onnxruntime warns of each, and there is nothing to do."""

    def other(record: logging.LogRecord) -> bool:
        return "out-of-range for weight" not in record.getMessage()

    root = logging.getLogger()
    root.addFilter(other)
    try:
        yield
    finally:
        root.removeFilter(other)


def _described(
    contract: Contract, source: str, precision: Precision, warnings_of_run: Sequence[str], network: str
) -> dict[str, str]:
    count = contract.peers.count
    peers = Peers(loopback=Loopback(count=count, base_port=1024), widths=contract.peers.widths)
    stripped = contract.model_copy(update={"peers": peers})
    model = contract.model.model_dump(mode="json")
    return {
        "p2pme": __version__,
        "model": source,
        "precision": precision.value,
        "warnings": json.dumps(list(warnings_of_run)),
        "network": network,
        "classes": json.dumps(contract.model.classes),
        "input": f"uint8 (N, {contract.model.input_size}, {contract.model.input_size}, 3) RGB, {contract.model.input}",
        "preprocess": json.dumps({key: model[key] for key in ("input", "input_size", "preprocess") if key in model}),
        "contract_digest": digest(contract).hex(),
        "contract": dump_contract(stripped),
    }


def _save(model: Any, path: Path, described: dict[str, str]) -> None:
    import onnx

    del model.metadata_props[:]
    onnx.helper.set_model_props(model, described)
    model.producer_name, model.producer_version = "p2pme", __version__
    with (
        refusing(WeightsError, path, "name another file, or free some space"),
        replacing(path, public=True) as draft,
    ):
        draft.write_bytes(sealed(model.SerializeToString()))

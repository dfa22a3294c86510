"""Every decoder of what other programs write: films, pictures from a camera, sheets, exported models; see `fuzzing`.

A sheet and an exported model are changed inside what holds them: an archive's checksums, and a digest, would find any
other change before their readers are reached.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import openpyxl

from p2pfl_me.data import video
from p2pfl_me.data.datasets.workbook import tables_of
from p2pfl_me.data.moov import index_of
from p2pfl_me.data.tiff import unread
from p2pfl_me.data.video import look_at
from p2pfl_me.errors import DataError, P2pmeError
from p2pfl_me.learning.onnx_seal import is_whole, sealed
from p2pfl_me.live.messages import HEADER, decode, read_picture
from tests.learning.runs import contract
from tests.mutating import Target

SHEET, STYLES = "xl/worksheets/sheet1.xml", "xl/styles.xml"
PLAIN = b"""<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts><font/></fonts>
<fills><fill><patternFill/></fill></fills><borders><border/></borders><cellXfs><xf/></cellXfs></styleSheet>"""
"""A book's styles, so few that the sheet is most of what is read."""
OLD_SHEET = bytes.fromhex("09000400020010000a000000")
"""The smallest of Excel 2: its beginning, and its end."""
Written = Callable[[str, bytes], Path]


def foreign_targets(written: Written) -> dict[str, Target]:
    """Such decoders by name; `written` puts bytes under a name in the folder where they are read."""
    return {**_of_cameras(written), **_of_sheets(written), **_of_exports(written)}


def _of_cameras(written: Written) -> dict[str, Target]:
    picture = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    films = []
    with tempfile.TemporaryDirectory() as folder:
        for name, codec in (("f.mp4", "mp4v"), ("f.avi", "MJPG")):
            film = cv2.VideoWriter(f"{folder}/{name}", cv2.VideoWriter.fourcc(*codec), 25, (32, 24))
            for at in range(4):
                film.write(np.roll(picture, at, axis=1))
            film.release()
            films.append(Path(folder, name).read_bytes())
    tiff = cv2.imencode(".tif", picture)[1].tobytes()

    def show(message: bytes) -> None:
        decode(read_picture(message).jpeg)

    def watch(data: bytes) -> None:
        path = written("film.mp4" if data[4:8] == b"ftyp" else "film.avi", data)
        with patch.object(video, "drawn_input", lambda _: ()):  # what lies beside the film, which is read 100 times
            for _ in look_at(path).pictures():
                pass

    return {
        "camera's picture": Target((HEADER.pack(1, 2, 40.0) + jpeg,), show),
        "film": Target(tuple(films), watch, DataError),
        "film's index": Target(tuple(films), lambda data: index_of(written("index.mp4", data)), DataError),
        "TIFF's fields": Target((tiff,), unread, DataError),
    }


def _of_sheets(written: Written) -> dict[str, Target]:
    book = openpyxl.Workbook()
    for row in (("Subject", "Filename", "OnsetFrame"), ("01", "EP02_01f", 46), ("02", "=1+1", None)):
        book.worksheets[0].append(row)
    whole = io.BytesIO()
    book.save(whole)
    with zipfile.ZipFile(whole) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def read(data: bytes) -> None:
        tables_of.__wrapped__(written("sheet", data), 0)

    def read_sheet(data: bytes) -> None:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name, part in (parts | {STYLES: PLAIN, SHEET: data}).items():
                archive.writestr(name, part)
        read(made.getvalue())

    return {
        "workbook": Target((whole.getvalue(), b"a;b\n1;2\n", OLD_SHEET), read, DataError),
        "workbook's sheet": Target((parts[SHEET],), read_sheet, DataError),
    }


def _of_exports(written: Written) -> dict[str, Target]:
    try:
        import onnx
        import onnxruntime  # noqa: F401

        from p2pfl_me.learning.onnx_file import save_described
        from p2pfl_me.learning.onnx_recogniser import OnnxRecogniser
    except ImportError:
        return {}
    make = onnx.helper
    nodes = [
        make.make_node("Cast", ["images"], ["values"], to=onnx.TensorProto.FLOAT),
        make.make_node("ReduceMean", ["values"], ["means"], axes=[1, 2], keepdims=0),
        make.make_node("MatMul", ["means", "weights"], ["scores"]),
        make.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = make.make_graph(
        nodes,
        "g",
        [make.make_tensor_value_info("images", onnx.TensorProto.UINT8, ["n", 28, 28, 3])],
        [make.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", 3])],
        [onnx.numpy_helper.from_array(np.eye(3, dtype=np.float32), "weights")],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 13)], ir_version=8)
    agreed = contract("model.backbone=ststnet", "model.input_size=28", "model.trainable=all")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        save_described(model, agreed, "run r, peer 0", path)
        whole = path.read_bytes()
    images = np.zeros((1, 28, 28, 3), np.uint8)

    def read(data: bytes) -> None:
        is_whole(data)
        OnnxRecogniser(written("model.onnx", sealed(data))).scores(images)

    return {"exported model": Target((whole[: -len(sealed(b""))],), read, P2pmeError)}

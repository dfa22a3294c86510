"""Feature vectors in one .safetensors file, for those who may share not even images inside their own lab.

Tensors `features` float32 (N, D), `labels` int64 (N,), `subjects` int64 (N,), optionally `split` int64 (N,) with
0, 1, 2 for train, validation, test; metadata `classes`, a JSON list, and optionally `dataset`, which tells one lab's
subject 3 from another's, and `drawn`, `yes` of faces that were never alive. Its rows stand in manifests like clips: the
file as `path`, the row as `clip`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from p2pfl_me.contract.network import Model
from p2pfl_me.data.cells import is_nobody
from p2pfl_me.data.clip import SPLITS, Clip, Manifest
from p2pfl_me.data.spelling import clean, is_whole
from p2pfl_me.errors import DataError
from p2pfl_me.files import open_regular
from p2pfl_me.message import Vector
from p2pfl_me.parsed import json_of
from p2pfl_me.tensors import tensor

CHUNK = 4096
"""Rows that are looked at together: a bank may be larger than memory."""


def is_vectors(path: Path) -> bool:
    return str(path)[-12:].lower() == ".safetensors"  # asked several times of every clip; a Path parses its suffix anew


def vectors_manifest(path: Path, classes: Sequence[str] | None) -> Manifest:
    """The rows of a vectors file as a manifest; without `classes`, whatever its own are.

    Raises
    ------
    DataError
        Not such a file, or made for other classes.
    """
    try:
        open_regular(path, None).close()  # a pipe would be waited for
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            named, dataset = json_of(metadata.get("classes", "[]")), metadata.get("dataset", "vectors")
            drawn = metadata.get("drawn") == "yes"
            labels, subjects = tensor(file, "labels"), tensor(file, "subjects")
            split = tensor(file, "split") if "split" in file.keys() else None  # noqa: SIM118
            features = file.get_slice("features")
            shape, kind = features.get_shape(), features.get_dtype()
        if not isinstance(named, list):
            raise ValueError("`classes` is no list")
        if kind != "F32":
            raise ValueError(f"`features` must be float32 (N, D), and are {kind}")
        if not clean(dataset) or is_nobody(dataset) or "/" in dataset:
            raise ValueError(f"`dataset` is {dataset!r}, which names none")
    except FileNotFoundError as error:
        raise DataError("no such file", where=str(path), fix="check --data") from error
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"not a file of feature vectors: {error}", where=str(path), fix="see docs/data.md") from error
    classes = tuple(map(str, named)) if classes is None else classes
    if list(named) != list(classes):
        raise DataError(
            f"was made for the classes {', '.join(map(str, named)) or '(none named)'}",
            where=str(path),
            fix=f"the contract's are {', '.join(classes)}, in this order",
        )
    whole = {tensor.dtype.kind for tensor in (labels, subjects, split) if tensor is not None} <= {"i", "u"}
    flat = {tensor.ndim for tensor in (labels, subjects, split) if tensor is not None} == {1} and len(shape) == 2
    if not (whole and flat):
        raise DataError(
            "`features` must be (N, D), `labels` and `subjects` whole numbers (N,)",
            where=str(path),
            fix="see docs/data.md",
        )
    sizes = {len(labels), len(subjects), shape[0], len(split) if split is not None else len(labels)}
    in_range = labels.size == 0 or (labels.min() >= 0 and labels.max() < len(classes))
    if len(sizes) != 1 or not in_range or (split is not None and not np.isin(split, (0, 1, 2)).all()):
        raise DataError("its tensors don't fit together", where=str(path), fix="see docs/data.md")
    if subjects.size and subjects.min() < 0:
        raise DataError(
            f"row {int(subjects.argmin())} has the subject {subjects.min()}: a number below zero is nobody's",
            where=str(path),
            fix="number subjects from 0, and leave out rows of whom nobody knows",
        )
    clips = tuple(
        Clip(
            path,
            dataset,
            f"{dataset}/{subjects[row]}",
            str(row),
            classes[labels[row]],
            split=SPLITS[split[row]] if split is not None else None,
            line=row + 1,
            drawn=drawn,
        )
        for row in range(len(labels))
    )
    return Manifest(path, clips)


def require_width(width: int, model: Model, where: str = "") -> None:
    """See that rows of `width` values are as long as what the trained layers of a contract's network read.

    Raises
    ------
    DataError
        They are not.
    """
    if width != model.input_width:
        taker = f"`{model.trainable}`" if model.backbone.frozen else f"{model.backbone}"
        raise DataError(
            f"features of {width} values where {taker} takes {model.input_width}",
            where=where,
            fix="make the features for this contract's network, model.input_size and model.trainable",
        )


def vectors_bank(path: Path) -> Vector:
    """All rows, float32 (N, D), mapped copy-on-write: processes that share the file share its memory.

    Raises
    ------
    DataError
        Not such a file, or not float32.
    """
    try:
        with open_regular(path, None) as file:
            size = int.from_bytes(file.read(8), "little")
            if size > path.stat().st_size:
                raise ValueError("its header is longer than the file")
            entry = json_of(file.read(size))["features"]
        if entry["dtype"] != "F32" or len(entry["shape"]) != 2:
            raise ValueError("`features` must be float32 (N, D)")
        begin = 8 + size + entry["data_offsets"][0]
        return np.memmap(path, dtype="<f4", mode="c", offset=begin, shape=tuple(entry["shape"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"not a file of feature vectors: {error}", where=str(path), fix="see docs/data.md") from error


def require_finite(bank: Vector, rows: npt.NDArray[np.int64], path: Path) -> None:
    """See that the rows hold numbers: one NaN becomes the model's, and by gossip everybody's.

    Raises
    ------
    DataError
        A row does not.
    """
    for begin in range(0, len(rows), CHUNK):
        some = rows[begin : begin + CHUNK]
        sound = np.isfinite(bank[some]).all(axis=1)
        if not sound.all():
            raise DataError(
                f"row {some[int(np.argmin(sound))]} holds NaN or infinite values",
                where=str(path),
                fix="make its vector anew, or leave it out; `p2pme data check` lists all such rows",
            )


def vector_row(clip: Clip, bank: Vector) -> int:
    """The row of `bank` that a line of a manifest names as its clip.

    Raises
    ------
    DataError
        There is no such row.
    """
    if not is_whole(clip.clip) or int(clip.clip) >= len(bank):
        raise DataError(
            f"has no row {clip.clip}; it has 0 to {len(bank) - 1}",
            where=str(clip.path),
            fix="name the row of the vectors as `clip`",
        )
    return int(clip.clip)

"""A file whose tensors are of another kind than they should be is refused in words, whatever the kind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from p2pfl_me.data.vectors import vectors_bank, vectors_manifest
from p2pfl_me.errors import DataError, WeightsError
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.peer.checkpoint import Checkpoint, checkpoint_path, load_checkpoint, save_checkpoint

OTHERS = [("BF16", 2), ("F16", 2), ("F8_E4M3", 1), ("F8_E5M2", 1), ("F64", 8), ("I64", 8), ("C64", 8), ("BOOL", 1)]


def retold(data: bytes, name: str, kind: str, size: int, rows: int | None = None) -> bytes:
    """A safetensors file whose header says that the bytes of `name` are of another kind, of `size` bytes each."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    begin, stop = header[name]["data_offsets"]
    count = (stop - begin) // size
    header[name] |= {"dtype": kind, "shape": [rows, count // rows] if rows else [count]}
    told = json.dumps(header).encode()
    return len(told).to_bytes(8, "little") + told + data[end:]


@pytest.mark.parametrize(("kind", "size"), OTHERS)
def test_a_checkpoint_of_another_kind_is_refused_in_words(tmp_path: Path, kind: str, size: int) -> None:
    save_checkpoint(tmp_path, Checkpoint(0, 3, np.zeros(48, np.float32), Progress(0.5, 1), "c", "l"))
    path = checkpoint_path(tmp_path, 0)
    path.write_bytes(retold(path.read_bytes(), "params", kind, size))
    with pytest.raises(WeightsError):
        load_checkpoint(tmp_path, 0, contract_digest="c", layout_digest="l")


@pytest.mark.parametrize(("kind", "size"), [other for other in OTHERS if other[0] != "I64"])
@pytest.mark.parametrize("name", ["labels", "subjects", "features"])
def test_vectors_of_another_kind_are_refused_in_words(tmp_path: Path, name: str, kind: str, size: int) -> None:
    columns = {"labels": np.array([0, 1, 1]), "subjects": np.array([4, 5, 5]), "features": np.ones((3, 8), np.float32)}
    path = tmp_path / "vectors.safetensors"
    path.write_bytes(
        retold(save(columns, {"classes": '["a", "b"]'}), name, kind, size, 3 if name == "features" else None)
    )
    with pytest.raises(DataError):
        vectors_manifest(path, None)
        vectors_bank(path)


@pytest.mark.parametrize("classes", ["1", "null", '"ab"', "{}"])
def test_classes_that_are_no_list_are_refused_in_words(tmp_path: Path, classes: str) -> None:
    columns = {"labels": np.array([0]), "subjects": np.array([4]), "features": np.ones((1, 8), np.float32)}
    path = tmp_path / "vectors.safetensors"
    path.write_bytes(save(columns, {"classes": classes}))
    with pytest.raises(DataError):
        vectors_manifest(path, None)

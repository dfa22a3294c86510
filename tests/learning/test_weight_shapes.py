"""A weights' file of a few bytes may speak of any shape or size: nothing is read of an array that is not what is due,
and no reader takes memory beyond a stated bound."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from p2pfl_me.errors import WeightsError
from p2pfl_me.learning import weight_files
from p2pfl_me.learning.architectures import architecture_of
from p2pfl_me.learning.weight_files import read_weights
from tests.used_up import refusal_where_nothing_is_free

HUGE = (1 << 20, 1 << 10, 1 << 10, 1 << 10)
"""An exabyte and more: what took memory for it would say so, instead of what is wrong."""
KERNEL = "block1_conv1/block1_conv1/kernel:0"
counts_memory = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to a limit of memory")


class _Zeros:
    """What the reader of tensors alone makes of a pickle's forty bytes: bytes for a storage, as many as they say."""

    def __reduce__(self) -> tuple[type[bytearray], tuple[int]]:
        return bytearray, (3 << 30,)


def test_a_state_dict_that_repeats_one_number_without_end_is_refused_for_its_shape(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"features.0.weight": torch.zeros(1, dtype=torch.float16).expand(HUGE)}, path)
    assert path.stat().st_size < 2000
    with pytest.raises(WeightsError, match=r"`features.0.weight` has shape .1048576, 1024"):
        read_weights(path, architecture_of("vgg16"))


def test_a_keras_file_whose_array_holds_nothing_but_a_shape_is_refused_for_it(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(KERNEL, HUGE, np.float32, chunks=(1, 1, 1, 1 << 10))
    assert path.stat().st_size < 5000
    with pytest.raises(WeightsError, match=r"has shape .1024, 1024, 1048576, 1024"):
        read_weights(path, architecture_of("vgg16"))


@pytest.mark.parametrize("kind", [np.dtype((np.float32, (1 << 28,))), np.dtype("S1000000000"), np.dtype(np.complex64)])
def test_a_keras_file_whose_places_each_hold_more_than_a_number_is_refused(tmp_path: Path, kind: np.dtype[Any]) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(KERNEL, (3, 3, 3, 64), kind)
    assert path.stat().st_size < 5000
    with pytest.raises(WeightsError, match="no plain numbers"):
        read_weights(path, architecture_of("vgg16"))


@counts_memory
@pytest.mark.parametrize("new", [True, False])
def test_a_state_dict_of_a_kilobyte_takes_no_gigabytes(tmp_path: Path, *, new: bool) -> None:
    path = tmp_path / "w.pth"
    torch.save({"features.0.weight": _Zeros()}, path, _use_new_zipfile_serialization=new)
    assert path.stat().st_size < 2000
    with pytest.raises(WeightsError, match=r"asks for more than 537 MB of memory, and has 0.0 MB"):
        read_weights(path, architecture_of("vgg16"))


@counts_memory
@pytest.mark.thorough
def test_a_state_dict_that_was_pressed_together_takes_no_more_than_its_size_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, pressed = tmp_path / "w.pth", tmp_path / "pressed.pth"
    torch.save({"features.0.weight": torch.zeros(96 << 20, dtype=torch.uint8)}, path)
    with zipfile.ZipFile(path) as parts, zipfile.ZipFile(pressed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for name in parts.namelist():
            out.writestr(name, parts.read(name))
    monkeypatch.setattr(weight_files, "MORE", 64 << 20)
    told = refusal_where_nothing_is_free(lambda: read_weights(pressed, architecture_of("vgg16")), WeightsError)
    assert "asks for more than" in told


@counts_memory
def test_a_keras_file_that_was_pressed_together_takes_no_more_than_its_size_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    h5py = pytest.importorskip("h5py")
    path, due = tmp_path / "w.h5", (3, 3, 3, 64)
    with h5py.File(path, "w") as file:
        made = {"chunks": (*due[:3], 400_000), "maxshape": (None,) * 4, "compression": "gzip", "compression_opts": 1}
        file.create_dataset(KERNEL, due, np.float64, **made)[0, 0, 0, 0] = 1
    assert path.stat().st_size < 1_000_000
    with pytest.raises(WeightsError, match=r"`features.0.bias` is missing"):  # with that memory it is read
        read_weights(path, architecture_of("vgg16"))
    monkeypatch.setattr(weight_files, "MORE", 16 << 20)
    told = refusal_where_nothing_is_free(lambda: read_weights(path, architecture_of("vgg16")), WeightsError)
    assert "cannot be read" in told

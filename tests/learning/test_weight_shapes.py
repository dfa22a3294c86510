"""A weights' file of a few bytes may speak of any shape: nothing is read of an array that is not what is due."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from p2pfl_me.errors import WeightsError
from p2pfl_me.learning.architectures import architecture_of
from p2pfl_me.learning.weight_files import read_weights

HUGE = (1 << 20, 1 << 10, 1 << 10, 1 << 10)
"""An exabyte and more: what took memory for it would say so, instead of what is wrong."""


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
        file.create_dataset("block1_conv1/block1_conv1/kernel:0", HUGE, np.float32, chunks=(1, 1, 1, 1 << 10))
    assert path.stat().st_size < 5000
    with pytest.raises(WeightsError, match=r"has shape .1024, 1024, 1048576, 1024"):
        read_weights(path, architecture_of("vgg16"))

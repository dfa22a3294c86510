"""Which device to compute on."""

from __future__ import annotations

import torch

from p2pfl_me.errors import DataError


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA where it is present; convolutions then keep float32's 24 bits and a fixed order of their sums.

    Raises
    ------
    DataError
        CUDA was asked for and is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if not torch.cuda.is_available():
            raise DataError("no CUDA device here", fix="use --device auto or cpu")
        # torch's own choice is TF32, of 11 bits: a run on a GPU would not be the processor's but for rounding.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    return torch.device(name)

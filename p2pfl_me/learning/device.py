"""Which device to compute on."""

from __future__ import annotations

import torch

from p2pfl_me.errors import DataError


def pick_device(name: str) -> torch.device:
    """`auto` takes CUDA where it is present.

    Raises
    ------
    DataError
        CUDA was asked for and is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise DataError("no CUDA device here", fix="use --device auto or cpu")
    return torch.device(name)

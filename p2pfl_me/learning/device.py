"""Which device to compute on."""

from __future__ import annotations

import torch

from p2pfl_me.contract import Contract
from p2pfl_me.errors import DataError
from p2pfl_me.networks import Step

BY_HAND = frozenset({Step.HEAD, Step.STREAMS})
"""Steps of a few short products, one to three milliseconds of a core."""


def device_of_peer(name: str, contract: Contract, peer: int) -> torch.device:
    """Where a real peer trains: `auto` leaves peers that share a machine on the processor where their steps are short.

    Ten processes on one GPU, each with a context of its own, take turns: rounds of `head` had 0.6 times the processor's
    speed (docs/measurements.md, "On a GPU"). A peer alone on its machine, block 5 and networks trained by autograd go
    to the GPU, and so do the frozen layers of all.

    Raises
    ------
    DataError
        As `pick_device`.
    """
    model = contract.model
    if name == "auto" and contract.peers.member(peer).is_loopback and model.backbone.step(model.use) in BY_HAND:
        return torch.device("cpu")
    return pick_device(name)


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

"""A clip's images as the contract's network takes them."""

from __future__ import annotations

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.images import load_input
from p2pfl_me.learning.recogniser import Image


def images_of(contract: Contract, clip: Clip) -> Image:
    """uint8 (n, S, S, 3): the samples of one clip.

    Raises
    ------
    DataError
        A file is missing or is no image, or a folder lacks the frame.
    """
    return load_input(clip, contract.model.input, contract.model.input_size)[np.newaxis]

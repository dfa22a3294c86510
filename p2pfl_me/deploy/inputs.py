"""A clip's images as the contract's network takes them."""

from __future__ import annotations

from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.data.preprocess.inputs import clip_images
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.learning.recogniser import Image


def images_of(contract: Contract, clip: Clip) -> Image:
    """uint8 (n, S, S, 3): the samples of one clip, as they are prepared for training.

    Raises
    ------
    DataError
        A file is missing or is no image, or a folder lacks the frame.
    """
    return clip_images(clip, recipe_of(contract.model)).images

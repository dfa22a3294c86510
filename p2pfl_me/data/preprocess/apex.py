"""The apex of a clip that nobody coded: the frame of greatest motion from the onset."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from p2pfl_me.contract.preprocess import Region
from p2pfl_me.data.preprocess.flow import FlowRecipe, skin_flow
from p2pfl_me.data.preprocess.regions import mask

Image = npt.NDArray[np.uint8]

SMOOTHED = 5
"""Frames over which motion is averaged before the greatest is taken: one noisy frame is no apex."""
REGIONS = (Region.BROWS, Region.MOUTH)
"""Where micro-expressions show themselves, and blinks do not."""


def greatest_flow(onset: Image, frames: Iterable[Image], recipe: FlowRecipe) -> int:
    """The place among `frames` (in order, the onset first) of the greatest motion from `onset`, the head's taken off.

    Motion is the mean length of the flow in brows and mouth of aligned faces, in the whole picture of others.
    """
    seen = mask(REGIONS, len(onset)) if recipe.aligned else np.ones(onset.shape[:2], dtype=np.bool_)
    lengths = np.array([np.hypot(*skin_flow(onset, frame, recipe)[seen].T).mean() for frame in frames])
    window = min(SMOOTHED, len(lengths))
    padded = np.pad(lengths, (window // 2, window - 1 - window // 2), mode="edge")
    return int(np.argmax(np.convolve(padded, np.full(window, 1 / window), mode="valid")))

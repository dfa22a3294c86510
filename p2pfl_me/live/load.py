"""The model of the page, loaded and warm."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from p2pfl_me.data.reading import read_clips
from p2pfl_me.deploy.clips import require_strangers
from p2pfl_me.home import home
from p2pfl_me.live.abstention import validated_threshold
from p2pfl_me.live.naming import ABSTAIN_BELOW, Namer
from p2pfl_me.networks.code import Given

MAY_KNOW_THEM = "whether it learned from the people of the validation clips is not known"


def load_namer(
    model: Path,
    runtime: Literal["torch", "onnx"] | None,
    peer: int | None,
    abstain_below: float | None = None,
    validation: Path | None = None,
    network: Given | None = None,
) -> Namer:
    """A run folder or an exported file, ready to name.

    Parameters
    ----------
    abstain_below:
        The abstention threshold; by default that of the validation clips, where there are some.
    validation:
        A manifest of clips whose subjects the model never saw.
    network:
        The code of the user's own network, where the run's contract states one.

    Raises
    ------
    P2pmeError
        It is no model, or not one for this runtime, or the validation clips cannot be read, or it learned from them.
    """
    from p2pfl_me.learning.recogniser import load_recogniser

    recogniser = load_recogniser(model, runtime=runtime, peer=peer, home=home(), network=network)
    size = recogniser.contract.model.input_size
    recogniser.scores(
        np.zeros((1, size, size, 3), dtype=np.uint8)
    )  # the first answer is slow: nobody shall wait for it
    strangers = True
    if validation:
        clips = read_clips(validation, recogniser.classes).clips
        strangers = model.is_dir() and require_strangers(model, clips, validation)
    if abstain_below is None:
        abstain_below = validated_threshold(recogniser, validation) if validation else ABSTAIN_BELOW
    return Namer(recogniser, abstain_below, () if strangers else (MAY_KNOW_THEM,))

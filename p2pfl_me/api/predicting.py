"""What a trained model says of images, from a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.api.clips import as_array
from p2pfl_me.api.given import given_number, given_path
from p2pfl_me.api.result import Result
from p2pfl_me.errors import DataError
from p2pfl_me.home import home
from p2pfl_me.message import Vector
from p2pfl_me.networks.code import Given

if TYPE_CHECKING:
    from p2pfl_me.learning.recogniser import Recogniser


def predict(
    model: Result | Path | str,
    x: npt.ArrayLike | Path | str,
    *,
    peer: int | None = None,
    network: Given | None = None,
) -> Vector:
    """Class probabilities, float32 (n, K), in the order of the model's classes.

    Parameters
    ----------
    model:
        A run or its folder (the average of its peers' models), or a file of `p2pme export`.
    x:
        uint8 (n, S, S, 3) inputs of the model's own size, or the path of an image, clip or film, which gives (1, K).
    peer:
        One peer's model in place of the average.
    network:
        The code of your own network, where the run's contract states one; a `Result` knows it.

    Raises
    ------
    P2pmeError
        There is no such model, or the input is none that it takes.
    """
    from p2pfl_me.learning.recogniser import load_recogniser

    folder = model.run if isinstance(model, Result) else given_path(model, "model")
    which = None if peer is None else given_number(peer, "peer", least=0)
    code = model.network if network is None and isinstance(model, Result) else network
    recogniser = load_recogniser(folder, peer=which, home=home(), network=code)
    if isinstance(x, str | Path):
        from p2pfl_me.deploy.predict import predict as predict_path

        found = predict_path(recogniser, Path(x))
        return np.array([[found.probabilities[name] for name in recogniser.classes]], dtype=np.float32)
    return recogniser.scores(_images(x, recogniser))


def _images(x: Any, recogniser: Recogniser) -> npt.NDArray[np.uint8]:
    side = recogniser.contract.model.input_size
    images = as_array("x", x)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (side, side, 3):
        raise DataError(
            f"{images.dtype} of shape {images.shape} is no input of this model",
            where="x",
            fix=f"give uint8 (n, {side}, {side}, 3), or the path of an image, a clip or a film",
        )
    return images

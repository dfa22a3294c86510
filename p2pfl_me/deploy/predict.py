"""What a trained model says of one image, clip or film."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from p2pfl_me.data.clip import Clip
from p2pfl_me.data.images import IMAGES
from p2pfl_me.deploy.film import film_frames
from p2pfl_me.deploy.inputs import images_of
from p2pfl_me.errors import DataError
from p2pfl_me.learning.recogniser import Recogniser, clip_scores


class Kind(StrEnum):
    IMAGE = "image"
    CLIP = "clip"
    FILM = "film"


@dataclass(frozen=True)
class Prediction:
    """Class probabilities in the order of the model's classes; `samples` images went through the network."""

    path: Path
    kind: Kind
    samples: int
    probabilities: dict[str, float]

    @property
    def label(self) -> str:
        """The class of the greatest probability."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


def predict(recogniser: Recogniser, path: Path) -> Prediction:
    """Prepare an input as the model's contract says and score it.

    Parameters
    ----------
    path:
        An image, a folder of numbered frames from onset to offset, or a film of one expression.

    Raises
    ------
    DataError
        Nothing there that is known, or it cannot be read.
    """
    kind = _kind(path)
    with _clip(path, kind) as clip:
        images = images_of(recogniser.contract, clip)
    scores = clip_scores(recogniser.scores(images))
    names = zip(recogniser.classes, scores, strict=True)
    return Prediction(path, kind, len(images), {name: float(score) for name, score in names})


def _kind(path: Path) -> Kind:
    if path.is_dir():
        return Kind.CLIP
    if not path.is_file():
        raise DataError("no such file or folder", where=str(path), fix="name an image, a folder of frames or a film")
    return Kind.IMAGE if path.suffix.lower() in IMAGES else Kind.FILM


@contextmanager
def _clip(path: Path, kind: Kind) -> Iterator[Clip]:
    if kind is Kind.FILM:
        with film_frames(path) as frames:
            yield Clip(frames.folder, "", "", path.name, "", fps=frames.fps)
    else:
        yield Clip(path, "", "", path.name, "")

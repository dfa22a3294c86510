"""What a trained model says of one image, clip or film."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from p2pfl_me.data.clip import Clip
from p2pfl_me.data.drawn import drawn_input
from p2pfl_me.data.images import IMAGES, UNREAD
from p2pfl_me.data.preprocess.inputs import images_of
from p2pfl_me.data.preprocess.recipe import recipe_of
from p2pfl_me.deploy.film import film_frames
from p2pfl_me.deploy.observed import require_observed
from p2pfl_me.errors import DataError
from p2pfl_me.learning.recogniser import Recogniser, clip_scores


class Kind(StrEnum):
    IMAGE = "image"
    CLIP = "clip"
    FILM = "film"


@dataclass(frozen=True)
class Prediction:
    """Class probabilities in the order of the model's classes; `samples` images went through the network. `said` is to
    be known of how the input was read."""

    path: Path
    kind: Kind
    samples: int
    probabilities: dict[str, float]
    said: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The class of the greatest probability."""
        return max(self.probabilities, key=lambda name: self.probabilities[name])


def predict(recogniser: Recogniser, path: Path, *, as_it_is: bool = False) -> Prediction:
    """Prepare an input as the model's contract says and score it.

    Parameters
    ----------
    path:
        An image, a folder of numbered frames from onset to offset, or a film of one expression.
    as_it_is:
        Look for neither face nor motion: the input was cropped to a face.

    Raises
    ------
    DataError
        Nothing there that is known, it cannot be read, or it shows no face, two, or none that moves.
    """
    kind = _kind(path)
    with _clip(path, kind) as (clip, said):
        if not as_it_is:
            require_observed(clip, recipe_of(recogniser.contract.model), name=path)
        images = images_of(recogniser.contract, clip)
    scores = clip_scores(recogniser.scores(images))
    names = zip(recogniser.classes, scores, strict=True)
    return Prediction(path, kind, len(images), {name: float(score) for name, score in names}, said)


def _kind(path: Path) -> Kind:
    if path.is_dir():
        return Kind.CLIP
    if not path.is_file():
        raise DataError("no such file or folder", where=str(path), fix="name an image, a folder of frames or a film")
    return Kind.IMAGE if path.suffix.lower() in IMAGES | UNREAD - {".gif"} else Kind.FILM


@contextmanager
def _clip(path: Path, kind: Kind) -> Iterator[tuple[Clip, tuple[str, ...]]]:
    """The input as a clip, and what there is to say of how it is read."""
    if kind is Kind.FILM:
        with film_frames(path) as frames:
            yield Clip(frames.folder, "", "", path.name, "", fps=frames.fps), frames.said
    else:
        yield Clip(path, "", "", path.name, ""), drawn_input(path)

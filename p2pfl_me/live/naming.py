"""From a spotted micro-expression to a class, or to none: the model sees what it was trained on, onset and apex."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from p2pfl_me.contract.preprocess import Input
from p2pfl_me.data.images import resized
from p2pfl_me.data.preprocess.alignment import Alignment, align_eyes
from p2pfl_me.data.preprocess.flow import STILL, flow_image
from p2pfl_me.data.preprocess.recipe import Recipe, recipe_of
from p2pfl_me.data.preprocess.regions import mask
from p2pfl_me.live.person import Moment

if TYPE_CHECKING:
    from p2pfl_me.learning.recogniser import Recogniser

Image = npt.NDArray[np.uint8]

ABSTAIN_BELOW = 0.5
"""A class whose probability is lower is not named, where no validation has set another threshold."""
WHOLE_EYES = ((0.365, 0.47), (0.635, 0.47))
"""Where the eyes lie in a picture for a model that was trained on pictures cropped to the face, not aligned: as in the
built-in drawn clips, in units of the picture's side."""


@dataclass(frozen=True)
class Name:
    """The most probable class and its probability; `sure` is False where the page abstains."""

    label: str
    probability: float
    sure: bool


@dataclass(frozen=True)
class Namer:
    """Names events with a model."""

    recogniser: Recogniser = field(repr=False)
    abstain_below: float = ABSTAIN_BELOW

    def name(self, onset: Moment, apex: Moment) -> Name:
        """The class of the expression between two moments of one person."""
        image = moment_image(onset, apex, recipe_of(self.recogniser.contract.model))
        scores = self.recogniser.scores(image[None])[0]
        best = int(scores.argmax())
        probability = float(scores[best])
        return Name(self.recogniser.classes[best], probability, probability >= self.abstain_below)


def moment_image(onset: Moment, apex: Moment, recipe: Recipe) -> Image:
    """The network's input, uint8 (S, S, 3), made as the contract's preprocessing makes it of a clip.

    One transform for both pictures, from the eyes; an input of several frames becomes the apex alone.
    """
    align = _alignment(apex, recipe)
    if recipe.input is Input.FLOW:
        return flow_image(align.picture(onset.part), align.picture(apex.part), recipe.flow, recipe.size)
    picture = align.picture(apex.part)
    if recipe.options.mask:
        picture = np.where(mask(recipe.options.mask, recipe.side)[..., None], picture, np.array(STILL, dtype=np.uint8))
    return resized(np.asarray(picture, dtype=np.uint8), recipe.size)


def _alignment(moment: Moment, recipe: Recipe) -> Alignment:
    if recipe.aligned:
        return align_eyes(moment.left_eye, moment.right_eye, recipe.side)
    (left, top), (right, _) = WHOLE_EYES
    across = np.subtract(moment.right_eye, moment.left_eye)
    turn = (
        (right - left)
        * recipe.side
        / float(across @ across)
        * np.array([[across[0], across[1]], [-across[1], across[0]]])
    )
    middle = np.add(moment.left_eye, moment.right_eye) / 2
    return Alignment(
        np.column_stack((turn, np.multiply(((left + right) / 2, top), recipe.side) - turn @ middle)), recipe.side
    )

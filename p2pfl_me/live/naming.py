"""From a spotted micro-expression to a class, or to none.

An event's held pictures are a clip: onset, apex and offset are the spotter's, and what the model's contract says of
clips is done to it by the same code. `p2pme predict` says the same of the same pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from p2pfl_me.data.clip import Clip
from p2pfl_me.data.preprocess.alignment import Alignment, align_eyes, align_face, levelled
from p2pfl_me.data.preprocess.faces import EyesSource, Face, find_faces
from p2pfl_me.data.preprocess.inputs import frames_images
from p2pfl_me.data.preprocess.note import FaceSource
from p2pfl_me.data.preprocess.plan import plan_frames
from p2pfl_me.data.preprocess.recipe import Recipe, recipe_of
from p2pfl_me.live.person import Moment

if TYPE_CHECKING:
    from p2pfl_me.learning.recogniser import Recogniser

Image = npt.NDArray[np.uint8]

ABSTAIN_BELOW = 0.5
"""A class whose probability is lower is not named, where no validation has set another threshold."""
WHOLE_EYES = ((0.365, 0.47), (0.635, 0.47))
"""Where the eyes lie in a picture for a model that was trained on pictures cropped to the face, not aligned: as in the
built-in drawn clips, in units of the picture's side."""
STRAY = 0.5
"""A face that is found anew this many distances between the eyes from where it was held is somebody else's, or none."""


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
    said: tuple[str, ...] = ()
    """What must be known of the threshold."""

    @property
    def network(self) -> str:
        """What the model's network was before its run trained it."""
        return self.recogniser.network or "its file does not say what the network was before it was trained."

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must be known of the model and its threshold."""
        return (*self.recogniser.warnings, *self.said)

    def name(self, event: Sequence[Moment], apex_s: float) -> Name:
        """The class of the expression that a person's pictures show, at least two of them, onset to offset."""
        from p2pfl_me.learning.recogniser import clip_scores

        images = event_images(event, apex_s, recipe_of(self.recogniser.contract.model))
        scores = clip_scores(self.recogniser.scores(images))
        best = int(scores.argmax())
        probability = float(scores[best])
        return Name(self.recogniser.classes[best], probability, probability >= self.abstain_below)


def event_images(event: Sequence[Moment], apex_s: float, recipe: Recipe) -> Image:
    """The network's input, uint8 (n, S, S, 3), made as the contract's preprocessing makes it of a clip."""
    frames = event_frames(event, recipe)
    apex = min(range(len(event)), key=lambda index: abs(event[index].time_s - apex_s))
    rate = (len(event) - 1) / (event[-1].time_s - event[0].time_s)
    clip = Clip(Path(), "", "", "", "", 0, apex, len(event) - 1, fps=rate)
    plan = plan_frames(clip, range(len(event)), recipe)
    return frames_images(
        plan, recipe, lambda place: frames[plan.numbers[place]], lambda onset: _align(onset, event[0], recipe)
    ).images


def event_frames(event: Sequence[Moment], recipe: Recipe) -> list[Image]:
    """The clip's frames, uint8 (H, W, 3) each: what is held around the face, or, for a model whose clips were cropped
    to the face and are not aligned, a square about it."""
    if recipe.aligned:
        return [each.part for each in event]
    (left, top), (right, _) = WHOLE_EYES
    side, held = recipe.side, event[0]
    middle, distance = ((left + right) / 2 * side, top * side), (right - left) * side
    cut = Alignment(levelled(held.left_eye, held.right_eye, middle, distance), side)
    return [cut.picture(each.part) for each in event]


def _align(onset: Image, held: Moment, recipe: Recipe) -> tuple[Alignment, FaceSource]:
    """By the face in the onset, as of any clip; where none is found at its place, by the eyes that it is held by."""
    middle = np.add(held.left_eye, held.right_eye) / 2
    reach = STRAY * float(np.linalg.norm(np.subtract(held.right_eye, held.left_eye)))

    def apart(face: Face) -> float:
        return float(np.linalg.norm(np.add(face.left_eye, face.right_eye) / 2 - middle))

    face = min(find_faces(onset), key=apart, default=None)
    if face is None or apart(face) > reach:
        return align_eyes(held.left_eye, held.right_eye, recipe.side), FaceSource.EYES
    return align_face(face, recipe.side), FaceSource.EYES if face.eyes is EyesSource.SEEN else FaceSource.BOX

"""The drawn frames of a take, as large as the camera's and as a face detector needs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract.label_maps import plain
from p2pfl_me.data.synthetic.clip import CAMERAS, Camera
from p2pfl_me.data.synthetic.expression import Style, draw_style
from p2pfl_me.data.synthetic.face import Face, draw_face
from p2pfl_me.data.synthetic.scene import Scene, Stage, draw_scene, scene_frame
from p2pfl_me.data.twins.take import Take

Frame = npt.NDArray[np.uint8]

SHOWN = {
    "negative": "disgust",
    "positive": "happiness",
    "anger": "disgust",
    "contempt": "others",
    "tense": "others",
}
"""Labels that the drawn faces have no expression of their own for."""
AMPLITUDE = 1.5


@dataclass(frozen=True, eq=False)
class Actor:
    """Who is filmed, by which camera."""

    face: Face = field(repr=False)
    style: Style
    camera: Camera


@lru_cache(64)
def actor_of(seed: int, dataset: str, subject: int) -> Actor:
    """The same person in every clip; another in every data set."""
    random = np.random.default_rng(derive_seed(seed, "twin", dataset, subject, "face"))
    cameras = list(CAMERAS.values())
    return Actor(draw_face(random), draw_style(random), cameras[derive_seed(0, dataset) % len(cameras)])


def take_frames(
    actor: Actor, take: Take, size: tuple[int, int], drawing: float, seed: int, margin: int
) -> Iterator[tuple[int, Frame]]:
    """Frames with their numbers, uint8 (height, width, 3) RGB, from `margin` before the onset to as many after the
    offset; the drawn face fills the share `drawing` of the height."""
    random = np.random.default_rng(derive_seed(seed, "twin", take.serial, "film"))
    width, height = size
    label = plain(take.label)
    scene: Scene = draw_scene(actor.face, actor.style, actor.camera, SHOWN.get(label, label), AMPLITUDE, random)
    stage = Stage(width, height, round(drawing * height), take.offset - take.onset + 1, take.apex - take.onset + 1)
    for number in range(max(1, take.onset - margin), take.offset + margin + 1):
        within = min(max(number - take.onset + 1, 1), stage.frames)
        yield number, scene_frame(scene, stage, within, random)


def encoded(frame: Frame, suffix: str, *, grey: bool) -> bytes:
    """The file of one frame, as JPEG, PNG or BMP."""
    image = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY if grey else cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(suffix, image, [cv2.IMWRITE_JPEG_QUALITY, 92] if suffix == ".jpg" else [])
    if not done:
        raise ValueError(f"OpenCV cannot write {suffix}")
    return data.tobytes()

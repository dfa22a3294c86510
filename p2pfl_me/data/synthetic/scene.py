"""A drawn face before a laboratory's camera: clips as large and as long as published ones, 200 frames of 640x480."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.synthetic.clip import AMPLITUDE, Camera, expose
from p2pfl_me.data.synthetic.expression import Style, displacement, strengths
from p2pfl_me.data.synthetic.face import CANVAS, Canvas, Face, Point

SIDE = 96
"""Motion fields are smooth: so many values a side are enough."""

Frame = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """Size of the frames in pixels, the width that the drawing takes up in them, and the clip's frames, from 1."""

    width: int = 640
    height: int = 480
    drawing: int = 440
    frames: int = 200
    apex: int = 90

    def place(self, point: Point, pose: Numbers) -> Point:
        """Where a landmark of the face lies in a frame, in pixels; pixel centres are whole numbers."""
        angle, scale = np.deg2rad(pose[2]), (1 + pose[3]) * self.drawing / CANVAS
        x, y = np.array(point) * CANVAS - CANVAS / 2 + pose[:2]
        across, down = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
        return float(self.width / 2 - 0.5 + scale * across), float(self.height / 2 - 0.5 + scale * down)


@dataclass(frozen=True, eq=False)
class Scene:
    """What one clip shows. `pose` and `drift` (over the clip) are shift x, y in the drawing's pixels, turn in degrees,
    growth."""

    exposed: Canvas = field(repr=False)
    skin: npt.NDArray[np.float32] = field(repr=False)
    pose: Numbers
    drift: Numbers
    noise: float


def draw_scene(
    face: Face, style: Style, camera: Camera, label: str, amplitude: float, random: np.random.Generator
) -> Scene:
    """A clip of `label`: the expression, the head's place and how it drifts; neutral labels move the head alone."""
    skin = displacement(strengths(label, random), face.landmarks, style, AMPLITUDE * amplitude, SIDE)
    pose = random.normal(0, 1, size=4) * (4.0, 3.0, 3.0, 0.03)
    drift = random.normal(0, 1, size=4) * (1.5, 1.5, 0.6, 0.005)
    return Scene(expose(face, camera), skin, pose, drift, camera.noise)


def scene_frame(scene: Scene, stage: Stage, number: int, random: np.random.Generator) -> Frame:
    """Frame `number`, the expression as strong as it is then; `random` draws the sensor's noise."""
    pose = scene.pose + scene.drift * (number - 1) / max(1, stage.frames - 1)
    image = _photograph(scene.exposed, scene.skin * np.float32(_intensity(number, stage)), pose, stage)
    grain = scene.noise * random.standard_normal((stage.height, stage.width, 1), dtype=np.float32)
    return np.asarray(np.clip(image + grain, 0, 255), dtype=np.uint8)


def _intensity(number: int, stage: Stage) -> float:
    """0 at the onset, 1 at the apex, 0 at the offset, with a smooth rise and fall."""
    whole = stage.apex - 1 if number <= stage.apex else stage.frames - stage.apex
    return float(np.cos(np.pi / 2 * (number - stage.apex) / max(1, whole)) ** 2)


def _photograph(exposed: Canvas, skin: npt.NDArray[np.float32], pose: Numbers, stage: Stage) -> Canvas:
    angle, scale = np.deg2rad(pose[2]), (1 + pose[3]) * stage.drawing / CANVAS
    x = ((np.arange(stage.width) - stage.width / 2 + 0.5) / scale)[None, :]
    y = ((np.arange(stage.height) - stage.height / 2 + 0.5) / scale)[:, None]
    middle = CANVAS / 2 - 0.5  # the pixel at place p of the drawing has its centre at p * CANVAS - 0.5
    map_x = np.asarray(np.cos(angle) * x + np.sin(angle) * y + (middle - pose[0]), dtype=np.float32)
    map_y = np.asarray(-np.sin(angle) * x + np.cos(angle) * y + (middle - pose[1]), dtype=np.float32)
    fine = np.float32(SIDE / CANVAS)
    moved = cv2.remap(skin, (map_x + 0.5) * fine - 0.5, (map_y + 0.5) * fine - 0.5, cv2.INTER_LINEAR)
    return np.asarray(
        cv2.remap(
            exposed, map_x - moved[..., 0], map_y - moved[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        ),
        dtype=np.float32,
    )

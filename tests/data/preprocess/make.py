"""Textures with known motion, and drawn faces before a camera, for the tests of preprocessing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.manifest import Clip
from p2pfl_me.data.synthetic.clip import CAMERAS
from p2pfl_me.data.synthetic.expression import draw_style
from p2pfl_me.data.synthetic.face import Point, draw_face
from p2pfl_me.data.synthetic.scene import Scene, Stage, draw_scene, scene_frame

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
SMALL = Stage(width=320, height=240, drawing=220, frames=9, apex=4)


def texture(side: int = 96, seed: int = 0) -> Image:
    """Something for the flow to hold on to."""
    noise = np.random.default_rng(seed).integers(0, 256, size=(side, side, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.asarray(cv2.normalize(smooth, smooth, 0, 255, cv2.NORM_MINMAX), dtype=np.uint8)


def moved(image: Image, across: Floats | float, down: Floats | float) -> Image:
    y, x = np.mgrid[: len(image), : len(image)].astype(np.float32)
    where = (np.asarray(x - across, np.float32), np.asarray(y - down, np.float32))
    return np.asarray(cv2.remap(image, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), dtype=np.uint8)


def bump(side: int = 96, at: tuple[int, int] = (48, 48), radius: float = 10) -> Floats:
    y, x = np.mgrid[:side, :side].astype(np.float32)
    return np.asarray(np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * radius**2)), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn person before a camera, and where the eyes truly are in a frame."""

    scene: Scene
    stage: Stage
    eyes: dict[str, Point]

    def frame(self, number: int = 1) -> Image:
        return scene_frame(self.scene, self.stage, number, np.random.default_rng(number))

    def eye(self, side: str) -> Point:
        return self.stage.place(self.eyes[f"eye_{side}"], self.scene.pose)


def person(number: int, label: str = "happiness", stage: Stage = SMALL) -> Drawn:
    random = np.random.default_rng(1000 + number)
    face = draw_face(random)
    scene = draw_scene(face, draw_style(random), CAMERAS["lab-a"], label, 1.5, random)
    return Drawn(scene, stage, dict(face.landmarks))


def film(folder: Path, drawn: Drawn, *, ending: str = ".png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, drawn.stage.frames + 1):
        assert cv2.imwrite(str(folder / f"img{number}{ending}"), drawn.frame(number)[..., ::-1])
    return folder


def clip(path: Path, **known: int) -> Clip:
    return Clip(path, "lab", "lab/01", "c", "positive", **known)

"""One drawn clip: a face, an expression that rises and falls, a drifting head, light, noise, now and then a blink."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.synthetic.expression import BLINK, PLAIN, Field, Style, displacement, strengths
from p2pfl_me.data.synthetic.face import CANVAS, Canvas, Face

FRAMES = 7
SIDE = 96
"""Frames are SIDE x SIDE pixels, half as fine as the drawing."""
AMPLITUDE = 3.0
"""Pixels of the canvas that a unit of strength 1 moves the skin at amplitude 1: 1.2 pixels of a frame."""
BLINKS = 0.15
"""Share of clips with a blink."""

Frame = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """What one laboratory's recordings share."""

    gain: float
    gamma: float
    noise: float
    tint: tuple[float, float, float]


CAMERAS = {
    "lab-a": Camera(1.0, 1.0, 2.0, (1.0, 1.0, 1.0)),
    "lab-b": Camera(0.85, 1.15, 3.5, (1.04, 1.0, 0.94)),
    "lab-c": Camera(1.1, 0.9, 2.5, (0.96, 1.0, 1.05)),
}


@dataclass(frozen=True, eq=False)
class DrawnClip:
    """`frames` are uint8 (96, 96, 3) RGB; the numbers of onset, apex and offset count from 1."""

    frames: tuple[Frame, ...]
    onset: int
    apex: int
    offset: int


def expose(face: Face, camera: Camera) -> Canvas:
    """The face as that camera sees it in even light, float32 (192, 192, 3)."""
    linear = np.clip(face.canvas / 255 * camera.gain, 0, 1)
    return np.asarray(255 * linear**camera.gamma * np.array(camera.tint), dtype=np.float32)


def draw_apex(random: np.random.Generator) -> int:
    """The apex of the clip that a fresh `random` draws: its first draw, so that it is known without the drawing."""
    return int(random.integers(3, FRAMES - 1))


def draw_clip(
    face: Face, exposed: Canvas, style: Style, label: str, noise: float, amplitude: float, random: np.random.Generator
) -> DrawnClip:
    """A clip of `label`; a label without a prototype (neutral) moves nothing but head, light and eyelids."""
    apex = draw_apex(random)
    skin = displacement(strengths(label, random), face.landmarks, style, AMPLITUDE * amplitude, SIDE)
    blink = int(random.integers(1, FRAMES + 1)) if random.random() < BLINKS else 0
    lids = displacement(BLINK, face.landmarks, PLAIN, 1.5, SIDE) if blink else np.zeros_like(skin)
    pose = random.normal(0, 1, size=4) * (3.0, 3.0, 2.0, 0.02)
    drift = random.normal(0, 1, size=4) * (2.5, 2.5, 0.6, 0.005)
    light, flicker = random.normal(0, 0.05, size=3), random.normal(0, 0.04, size=3)
    frames = []
    for number in range(1, FRAMES + 1):
        progress = (number - 1) / (FRAMES - 1)
        motion = skin * _intensity(number, apex) + (lids if number == blink else 0)
        image = _photograph(exposed, motion, pose + drift * progress, light + flicker * progress)
        grain = noise * random.standard_normal((SIDE, SIDE, 1), dtype=np.float32)
        frames.append(np.asarray(np.clip(image + grain, 0, 255), dtype=np.uint8))
    return DrawnClip(tuple(frames), 1, apex, FRAMES)


def _intensity(number: int, apex: int) -> float:
    """0 at the onset, 1 at the apex, back to a tenth at the offset, with a smooth rise and fall."""
    if number <= apex:
        return float(np.sin(np.pi / 2 * (number - 1) / (apex - 1)) ** 2)
    return float(0.1 + 0.9 * np.cos(np.pi / 2 * (number - apex) / (FRAMES - apex)) ** 2)


def _photograph(exposed: Canvas, motion: Field, pose: Numbers, light: Numbers) -> Canvas:
    """Look up where each pixel of the frame comes from on the canvas, and light it.

    `pose` is shift x, y (canvas pixels), rotation (degrees), growth; `light` is brightness and its slopes in x, y.
    """
    angle, scale, fine = np.deg2rad(pose[2]), 1 + pose[3], CANVAS / SIDE
    x, y = AXIS[None, :], AXIS[:, None]
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    map_x = np.asarray(cosine * x + sine * y + (CANVAS / 2 - pose[0]), dtype=np.float32)
    map_y = np.asarray(-sine * x + cosine * y + (CANVAS / 2 - pose[1]), dtype=np.float32)
    moved = cv2.remap(motion, map_x / fine, map_y / fine, cv2.INTER_LINEAR)
    image = cv2.remap(
        exposed, map_x - moved[..., 0], map_y - moved[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    ramp = (1 + light[0]) + (light[1] / CANVAS) * x + (light[2] / CANVAS) * y
    return np.asarray(image * ramp[..., None], dtype=np.float32)


AXIS = ((np.arange(SIDE) + 0.5) * (CANVAS / SIDE) - CANVAS / 2).astype(np.float32)
"""Where the frame's pixels lie on the canvas, from its middle."""

"""One drawn clip: a face, an expression that rises and falls, a drifting head, light, noise, now and then a blink."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.synthetic.expression import Style, displacement, strengths
from p2pfl_me.data.synthetic.face import CANVAS, Face

FRAMES = 7
SIDE = 96
"""Frames are SIDE x SIDE pixels."""
AMPLITUDE = 1.4
"""Pixels of the canvas that a unit of strength 1 moves the skin at amplitude 1: 0.7 pixels of a frame."""

Frame = npt.NDArray[np.uint8]


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


def draw_clip(
    face: Face, style: Style, label: str, camera: Camera, amplitude: float, random: np.random.Generator
) -> DrawnClip:
    """A clip of `label`; a label without a prototype (neutral) moves nothing but head, light and eyelids."""
    apex = int(random.integers(3, FRAMES - 1))
    units = strengths(label, style, random)
    skin = displacement(units, face.landmarks, style.lean, AMPLITUDE * amplitude)
    blink = int(random.integers(1, FRAMES + 1)) if random.random() < 0.15 else 0
    lid = displacement({"AU5": -5.0}, face.landmarks, 0.0, 1.0)
    drift = random.normal(0, 1, size=4) * (1.2, 1.2, 0.8, 0.004)
    light = random.normal(0, 0.05, size=3)
    pose = random.normal(0, 1, size=3) * (3.0, 3.0, 2.0)
    frames = []
    for number in range(1, FRAMES + 1):
        motion = skin * _intensity(number, apex) + (lid if number == blink else 0)
        progress = (number - 1) / (FRAMES - 1)
        frames.append(_photograph(face, motion, pose, drift * progress, light * (1 + progress), camera, random))
    return DrawnClip(tuple(frames), 1, apex, FRAMES)


def _intensity(number: int, apex: int) -> float:
    """0 at the onset, 1 at the apex, back to a tenth at the offset, with a smooth rise and fall."""
    if number <= apex:
        return float(np.sin(np.pi / 2 * (number - 1) / (apex - 1)) ** 2)
    return float(0.1 + 0.9 * np.cos(np.pi / 2 * (number - apex) / (FRAMES - apex)) ** 2)


def _photograph(
    face: Face,
    motion: npt.NDArray[np.float32],
    pose: npt.NDArray[np.float64],
    drift: npt.NDArray[np.float64],
    light: npt.NDArray[np.float64],
    camera: Camera,
    random: np.random.Generator,
) -> Frame:
    """Where each pixel of the frame comes from on the canvas, its brightness, and the sensor's noise."""
    shift = pose[:2] + drift[:2]
    angle, scale = np.deg2rad(pose[2] + drift[2]), 1 + drift[3]
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) * (CANVAS / SIDE) - CANVAS / 2
    x, y = np.meshgrid(axis, axis)
    map_x = ((np.cos(angle) * x + np.sin(angle) * y) / scale + CANVAS / 2 - shift[0]).astype(np.float32)
    map_y = ((-np.sin(angle) * x + np.cos(angle) * y) / scale + CANVAS / 2 - shift[1]).astype(np.float32)
    moved = cv2.remap(motion, map_x, map_y, cv2.INTER_LINEAR)
    image = cv2.remap(
        face.canvas, map_x - moved[..., 0], map_y - moved[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    ramp = 1 + light[0] + light[1] * x / CANVAS + light[2] * y / CANVAS
    image = 255 * np.clip(image / 255 * ramp[..., None] * camera.gain, 0, 1) ** camera.gamma * np.array(camera.tint)
    image += random.standard_normal(image.shape, dtype=np.float32) * np.float32(camera.noise)
    return np.asarray(np.clip(image, 0, 255), dtype=np.uint8)

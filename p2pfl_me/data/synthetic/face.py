"""One drawn face per subject: proportions, colours and skin texture from a seed. Nobody's likeness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

CANVAS = 192
"""Side of the drawing in pixels; clips are rendered smaller from it."""

Canvas = npt.NDArray[np.float32]
Point = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Face:
    """A neutral face, float32 (192, 192, 3) RGB in 0..255, and its landmarks (x, y) in units of its side."""

    canvas: Canvas = field(repr=False)
    landmarks: Mapping[str, Point]


SKINS = ((247, 218, 192), (228, 182, 146), (200, 146, 108), (152, 101, 70), (100, 66, 48))
HAIRS = ((24, 20, 20), (52, 36, 28), (92, 62, 42), (150, 112, 66), (132, 60, 34), (140, 136, 132))
IRISES = ((70, 46, 30), (44, 32, 26), (84, 104, 72), (84, 112, 140))


def draw_face(random: np.random.Generator) -> Face:
    """A face with its own shape, hair, brows, eyes, nose, mouth and skin."""
    at = _landmarks(random)
    tone = random.uniform(0, len(SKINS) - 1)
    skin = np.array([np.interp(tone, range(len(SKINS)), band) for band in np.transpose(SKINS)])
    hair = np.array(HAIRS[random.integers(len(HAIRS))]) * random.uniform(0.8, 1.2)
    dark, width, height = skin * 0.62, random.uniform(0.29, 0.34), random.uniform(0.38, 0.43)
    canvas = np.empty((CANVAS, CANVAS, 3), dtype=np.float32)
    canvas[:] = random.uniform(120, 200) + random.uniform(-18, 18, size=3)
    if random.random() < 0.4:  # long hair
        _ellipse(canvas, (0.5, 0.62), (width + random.uniform(0.05, 0.09), 0.46), hair * 0.85)
    _ellipse(canvas, (0.5, 0.95), (0.16, 0.12), skin * 0.8)
    _ellipse(canvas, (0.5, 1.1), (0.46, 0.17), random.uniform(40, 170, size=3))
    for sign in (-1, 1):
        _ellipse(canvas, (0.5 + sign * width, 0.55), (0.035, 0.065), skin * 0.9)
    _ellipse(canvas, (0.5, 0.44), (width + 0.03, height), hair)
    _ellipse(canvas, (0.5, 0.55), (width, height), skin)
    _fringe(canvas, random, width, hair)
    _skin_texture(canvas, random)
    iris = np.array(IRISES[random.integers(len(IRISES))]) * random.uniform(0.8, 1.3)
    brow = hair * random.uniform(0.6, 0.9), random.uniform(2.5, 5.0)
    for side in ("left", "right"):
        _eye(canvas, at[f"eye_{side}"], iris, dark)
        _brow(canvas, at, side, *brow)
    _nose(canvas, at, dark, skin)
    _mouth(canvas, at, np.array([skin[0] * 0.86, skin[1] * 0.58, skin[2] * 0.62]), dark)
    # The canvas is twice as fine as the frames that are taken of it.
    return Face(np.asarray(cv2.GaussianBlur(canvas, (0, 0), 1.1), dtype=np.float32), at)


def _landmarks(random: np.random.Generator) -> dict[str, Point]:
    eye_y, eye_x = 0.47 + random.uniform(-0.015, 0.015), random.uniform(0.125, 0.15)
    brow_y = eye_y - random.uniform(0.075, 0.1)
    nose_y, mouth_y = random.uniform(0.61, 0.65), random.uniform(0.74, 0.78)
    mouth_x = random.uniform(0.085, 0.12)
    at: dict[str, Point] = {"nose": (0.5, nose_y), "lip_up": (0.5, mouth_y - 0.02), "lip_low": (0.5, mouth_y + 0.03)}
    at["chin"] = (0.5, random.uniform(0.88, 0.92))
    tilt = random.uniform(-0.015, 0.02)
    for side, sign in (("left", -1), ("right", 1)):
        at[f"eye_{side}"] = (0.5 + sign * eye_x, eye_y)
        at[f"lid_up_{side}"] = (0.5 + sign * eye_x, eye_y - 0.022)
        at[f"lid_low_{side}"] = (0.5 + sign * eye_x, eye_y + 0.026)
        at[f"brow_in_{side}"] = (0.5 + sign * 0.06, brow_y + tilt)
        at[f"brow_out_{side}"] = (0.5 + sign * (eye_x + 0.075), brow_y + 0.01)
        at[f"wing_{side}"] = (0.5 + sign * 0.045, nose_y)
        at[f"corner_{side}"] = (0.5 + sign * mouth_x, mouth_y)
        at[f"cheek_{side}"] = (0.5 + sign * 0.17, 0.64)
    return at


def _px(point: Point) -> tuple[int, int]:
    """Fixed-point pixels with 4 fractional bits, for drawing below the pixel grid."""
    return round(point[0] * CANVAS * 16), round(point[1] * CANVAS * 16)


def _ellipse(canvas: Canvas, center: Point, axes: Point, colour: npt.ArrayLike) -> None:
    cv2.ellipse(canvas, _px(center), _px(axes), 0, 0, 360, _colour(colour), -1, cv2.LINE_AA, 4)


def _line(canvas: Canvas, points: list[Point], colour: npt.ArrayLike, thickness: float) -> None:
    line = np.array([_px(point) for point in points], dtype=np.int32)
    cv2.polylines(canvas, [line], False, _colour(colour), max(1, round(thickness)), cv2.LINE_AA, 4)


def _colour(colour: npt.ArrayLike) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in np.asarray(colour))
    return red, green, blue


def _curve(start: Point, middle: Point, end: Point) -> list[Point]:
    """A quadratic Bezier curve through the control point `middle`."""
    t = np.linspace(0, 1, 12)[:, None]
    points = (1 - t) ** 2 * np.array(start) + 2 * t * (1 - t) * np.array(middle) + t**2 * np.array(end)
    return [(float(x), float(y)) for x, y in points]


def _fringe(canvas: Canvas, random: np.random.Generator, width: float, hair: npt.ArrayLike) -> None:
    """Locks from temple to temple, longer on one side than on the other."""
    parting = random.uniform(-1, 1)
    for place in np.linspace(-0.72, 0.72, 9):
        length = 0.065 + 0.03 * parting * place + random.uniform(0, 0.02) + 0.04 * place**2
        _ellipse(canvas, (0.5 + float(place) * width, 0.19 + 0.13 * float(place) ** 2), (0.05, float(length)), hair)


def _skin_texture(canvas: Canvas, random: np.random.Generator) -> None:
    """Pores, freckles and shading: what optical flow holds on to in a real face."""
    for blur, strength in ((1.0, 16.0), (4.0, 24.0)):
        noise = random.standard_normal((CANVAS, CANVAS)).astype(np.float32)
        canvas += strength * np.asarray(cv2.GaussianBlur(noise, (0, 0), blur))[..., None]
    x, y = np.meshgrid(np.linspace(-1, 1, CANVAS), np.linspace(-1, 1, CANVAS))
    canvas *= (1 - 0.16 * (x**2 + y**2)).astype(np.float32)[..., None]


def _eye(canvas: Canvas, center: Point, iris: npt.ArrayLike, dark: npt.ArrayLike) -> None:
    x, y = center
    _ellipse(canvas, center, (0.052, 0.024), (238, 234, 228))
    _ellipse(canvas, center, (0.021, 0.023), iris)
    _ellipse(canvas, center, (0.010, 0.011), (15, 12, 12))
    _ellipse(canvas, (x + 0.007, y - 0.008), (0.004, 0.004), (250, 250, 250))
    _line(canvas, _curve((x - 0.055, y + 0.004), (x, y - 0.05), (x + 0.055, y + 0.004)), np.asarray(dark) * 0.6, 2)
    _line(canvas, _curve((x - 0.05, y + 0.006), (x, y + 0.045), (x + 0.05, y + 0.006)), dark, 1)


def _brow(canvas: Canvas, at: Mapping[str, Point], side: str, colour: npt.ArrayLike, thickness: float) -> None:
    inner, outer = at[f"brow_in_{side}"], at[f"brow_out_{side}"]
    middle = ((inner[0] + outer[0]) / 2, min(inner[1], outer[1]) - 0.03)
    _line(canvas, _curve(inner, middle, outer), colour, thickness)


def _nose(canvas: Canvas, at: Mapping[str, Point], dark: npt.ArrayLike, skin: npt.ArrayLike) -> None:
    x, y = at["nose"]
    _line(canvas, _curve((x - 0.02, 0.48), (x - 0.04, 0.56), at["wing_left"]), np.asarray(skin) * 0.85, 2)
    _line(canvas, _curve(at["wing_left"], (x, y + 0.035), at["wing_right"]), dark, 2)
    for side in ("left", "right"):
        wing = at[f"wing_{side}"]
        _ellipse(canvas, ((wing[0] + x) / 2, y + 0.006), (0.011, 0.007), np.asarray(dark) * 0.6)
        corner = at[f"corner_{side}"]
        _line(canvas, [wing, ((wing[0] + corner[0]) / 2 * 1.0, (wing[1] + corner[1]) / 2)], np.asarray(skin) * 0.88, 1)


def _mouth(canvas: Canvas, at: Mapping[str, Point], lip: npt.ArrayLike, dark: npt.ArrayLike) -> None:
    left, right = at["corner_left"], at["corner_right"]
    middle = (left[1] + right[1]) / 2
    upper = _curve(left, (0.5, at["lip_up"][1] - 0.025), right)
    lower = _curve(right, (0.5, at["lip_low"][1] + 0.03), left)
    outline = np.array([_px(point) for point in upper + lower], dtype=np.int32)
    cv2.fillPoly(canvas, [outline], _colour(lip), cv2.LINE_AA, 4)
    _line(canvas, _curve(left, (0.5, middle + 0.012), right), np.asarray(dark) * 0.7, 2)
    _line(
        canvas, _curve((0.46, at["chin"][1] - 0.04), (0.5, at["chin"][1] - 0.03), (0.54, at["chin"][1] - 0.04)), dark, 1
    )

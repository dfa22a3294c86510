"""Expressions as smooth displacements of a face: action units of the Facial Action Coding System, drawn as bumps.

Each class is a set of units with typical strengths, after the EMFACS prototypes; strengths vary from clip to clip and
from subject to subject, a stray unit mixes in, and the two halves of the face never move quite alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2pfl_me.data.synthetic.face import CANVAS, Point

Field = npt.NDArray[np.float32]

SIZES = {"brow": 0.075, "eye": 0.045, "wing": 0.05, "corner": 0.06, "cheek": 0.08, "lip": 0.05, "chin": 0.09}
"""Radius of a landmark's bump, in units of the face's side, by the first word of the landmark."""

# Landmark -> (outwards, down) in units of the amplitude; "out" mirrors with the side of the face.
UNITS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "AU1": {"brow_in": (0.0, -1.0)},
    "AU2": {"brow_out": (0.0, -1.0)},
    "AU4": {"brow_in": (-0.5, 0.8), "brow_out": (-0.2, 0.4)},
    "AU5": {"eye": (0.0, -0.5)},
    "AU6": {"cheek": (0.1, -0.8), "eye": (0.0, 0.3)},
    "AU9": {"wing": (0.1, -0.9), "brow_in": (-0.1, 0.4)},
    "AU10": {"lip_up": (0.0, -0.9), "wing": (0.2, -0.3)},
    "AU12": {"corner": (0.7, -0.8), "cheek": (0.2, -0.3)},
    "AU14": {"corner": (-0.6, 0.0)},
    "AU15": {"corner": (0.1, 0.9)},
    "AU17": {"chin": (0.0, -0.8), "lip_low": (0.0, -0.5)},
    "AU20": {"corner": (0.9, 0.1)},
    "AU24": {"lip_up": (0.0, 0.4), "lip_low": (0.0, -0.5)},
    "AU26": {"chin": (0.0, 1.0), "lip_low": (0.0, 0.8)},
}
PROTOTYPES: Mapping[str, Mapping[str, float]] = {
    "disgust": {"AU9": 1.0, "AU10": 0.8, "AU4": 0.4},
    "fear": {"AU1": 0.8, "AU2": 0.7, "AU5": 0.6, "AU20": 1.0},
    "happiness": {"AU12": 1.0, "AU6": 0.8},
    "others": {"AU4": 1.0, "AU14": 0.4},
    "repression": {"AU17": 0.8, "AU24": 0.7, "AU14": 0.5},
    "sadness": {"AU1": 0.8, "AU4": 0.3, "AU15": 1.0},
    "surprise": {"AU1": 1.0, "AU2": 1.0, "AU26": 0.8},
}


@dataclass(frozen=True)
class Style:
    """How one subject moves: a factor for each unit, and a lean towards one half of the face."""

    factors: Mapping[str, float]
    lean: float


def draw_style(random: np.random.Generator) -> Style:
    return Style({unit: float(random.lognormal(0, 0.35)) for unit in UNITS}, float(random.normal(0, 0.2)))


def strengths(label: str, style: Style, random: np.random.Generator) -> dict[str, float]:
    """How strongly each unit acts at the apex of one clip."""
    overall = random.lognormal(0, 0.3)
    out = {
        unit: overall * strength * style.factors[unit] * random.lognormal(0, 0.3)
        for unit, strength in PROTOTYPES.get(label, {}).items()
    }
    stray = str(random.choice(list(UNITS)))
    out[stray] = out.get(stray, 0.0) + float(random.uniform(0, 0.35))
    return out


def displacement(units: Mapping[str, float], landmarks: Mapping[str, Point], lean: float, amplitude: float) -> Field:
    """Motion of the skin at the apex, float32 (192, 192, 2) in pixels of the canvas: (x, y)."""
    field = np.zeros((CANVAS, CANVAS, 2), dtype=np.float32)
    axis = (np.arange(CANVAS, dtype=np.float32) + 0.5) / CANVAS
    for unit, strength in units.items():
        for name, (out, down) in UNITS[unit].items():
            sides = [(name, 0)] if name in landmarks else [(f"{name}_left", -1), (f"{name}_right", 1)]
            for landmark, side in sides:
                x, y = landmarks[landmark]
                radius = SIZES[name.split("_")[0]]
                bump = np.exp(-(((axis - y) / radius) ** 2) / 2)[:, None] * np.exp(-(((axis - x) / radius) ** 2) / 2)
                push = amplitude * strength * (1 + side * lean)
                field[..., 0] += push * out * side * bump
                field[..., 1] += push * down * bump
    return field

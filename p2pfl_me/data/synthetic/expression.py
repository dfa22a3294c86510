"""Expressions as smooth displacements of a face: action units of the Facial Action Coding System, drawn as bumps.

Each class shows itself in one of a few ways, after the units that coders of spontaneous micro-expressions name for it.
Strengths vary from clip to clip, every subject has a style, stray units mix in, and no face moves evenly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2pfl_me.data.synthetic.face import Point

Field = npt.NDArray[np.float32]
Ways = tuple[Mapping[str, float], ...]

# Landmark -> (outwards, down) in units of the amplitude; "out" mirrors with the side of the face.
UNITS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "AU1": {"brow_in": (0.0, -1.0)},
    "AU2": {"brow_out": (0.0, -1.0)},
    "AU4": {"brow_in": (-0.5, 0.8), "brow_out": (-0.2, 0.4)},
    "AU5": {"lid_up": (0.0, -0.8)},
    "AU6": {"cheek": (0.1, -0.7), "lid_low": (0.0, -0.4)},
    "AU7": {"lid_low": (0.0, -0.6), "lid_up": (0.0, 0.3)},
    "AU9": {"wing": (0.1, -0.9), "brow_in": (-0.1, 0.4)},
    "AU10": {"lip_up": (0.0, -0.9), "wing": (0.2, -0.3)},
    "AU12": {"corner": (0.7, -0.8), "cheek": (0.2, -0.3)},
    "AU14": {"corner": (-0.7, 0.0)},
    "AU15": {"corner": (0.1, 0.9)},
    "AU17": {"chin": (0.0, -0.8), "lip_low": (0.0, -0.5)},
    "AU20": {"corner": (0.9, 0.1)},
    "AU24": {"lip_up": (0.0, 0.4), "lip_low": (0.0, -0.5)},
    "AU26": {"chin": (0.0, 1.0), "lip_low": (0.0, 0.8)},
}
SIZES = {"brow": 0.075, "lid": 0.04, "wing": 0.05, "corner": 0.06, "cheek": 0.08, "lip": 0.05, "chin": 0.09}
"""Radius of a landmark's bump, in units of the face's side, by the first word of the landmark."""
PROTOTYPES: Mapping[str, Ways] = {
    "disgust": ({"AU4": 0.6, "AU9": 1.0}, {"AU10": 1.0, "AU7": 0.5}, {"AU4": 0.5, "AU7": 0.8, "AU9": 0.6}),
    "fear": ({"AU1": 0.8, "AU2": 0.6, "AU5": 0.6, "AU20": 0.8}, {"AU1": 0.7, "AU4": 0.5, "AU20": 1.0}),
    "happiness": ({"AU12": 1.0, "AU6": 0.8}, {"AU12": 1.1}),
    "others": ({"AU4": 1.0}, {"AU4": 0.9, "AU7": 0.6}, {"AU14": 1.0}),
    "repression": ({"AU17": 0.9, "AU24": 0.6}, {"AU15": 0.5, "AU17": 0.9}, {"AU12": 0.5, "AU17": 0.8, "AU24": 0.4}),
    "sadness": ({"AU1": 0.8, "AU15": 1.0}, {"AU1": 0.6, "AU4": 0.4, "AU15": 0.8}),
    "surprise": ({"AU1": 1.0, "AU2": 1.0}, {"AU1": 0.9, "AU2": 0.8, "AU5": 0.6}, {"AU1": 0.7, "AU2": 0.6, "AU26": 0.9}),
}
BLINK: Mapping[str, float] = {"AU5": -4.0, "AU7": 1.5}


@dataclass(frozen=True)
class Style:
    """How one subject moves: strength and direction (radians) of each unit, and a lean to one half of the face."""

    factors: Mapping[str, float]
    turns: Mapping[str, float]
    lean: float


PLAIN = Style(dict.fromkeys(UNITS, 1.0), dict.fromkeys(UNITS, 0.0), 0.0)
"""Exactly the units as they are drawn above."""


def draw_style(random: np.random.Generator) -> Style:
    """One subject's way of moving."""
    factors = {unit: float(random.lognormal(0, 0.35)) for unit in UNITS}
    turns = {unit: float(random.normal(0, 0.2)) for unit in UNITS}
    return Style(factors, turns, float(random.normal(0, 0.25)))


def strengths(label: str, random: np.random.Generator) -> dict[str, float]:
    """How strongly each unit acts at the apex of one clip; a label without a prototype (neutral) moves nothing."""
    ways = PROTOTYPES.get(label)
    if ways is None:
        return {}
    way, overall = ways[random.integers(len(ways))], random.lognormal(0, 0.3)
    out = {unit: overall * strength * random.lognormal(0, 0.3) for unit, strength in way.items()}
    for stray in random.choice(list(UNITS), size=2, replace=False):
        out[str(stray)] = out.get(str(stray), 0.0) + float(random.uniform(0, 0.3))
    return out


def displacement(
    units: Mapping[str, float], landmarks: Mapping[str, Point], style: Style, amplitude: float, side: int
) -> Field:
    """Motion of the skin at the apex, float32 (side, side, 2): (x, y), in the unit of `amplitude`."""
    field = np.zeros((side, side, 2), dtype=np.float32)
    axis = (np.arange(side, dtype=np.float32) + 0.5) / side
    for unit, strength in units.items():
        cosine, sine = np.cos(style.turns[unit]), np.sin(style.turns[unit])
        for name, (out, down) in UNITS[unit].items():
            radius = SIZES[name.split("_")[0]]
            sides = [(name, 0)] if name in landmarks else [(f"{name}_left", -1), (f"{name}_right", 1)]
            for landmark, half in sides:
                x, y = landmarks[landmark]
                across, along = (np.exp(-(((axis - at) / radius) ** 2) / 2) for at in (x, y))
                push = amplitude * strength * style.factors[unit] * (1 + half * style.lean)
                turned = (half * (cosine * out - sine * down), sine * out + cosine * down)
                field += (push * along)[:, None, None] * across[:, None] * np.array(turned, dtype=np.float32)
    return field

"""A drawn film: one person before a camera, with planted micro-expressions, blinks and head turns and their truth.

Between the planted acts the face is neutral; the head sways, the light drifts, the sensor is noisy. Everything is a
function of the plan, so two films of one plan are equal frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.choice import derive_seed
from p2pfl_me.data.synthetic.clip import CAMERAS, expose
from p2pfl_me.data.synthetic.expression import (
    BLINK,
    PLAIN,
    PROTOTYPES,
    Field,
    Style,
    displacement,
    draw_style,
    strengths,
)
from p2pfl_me.data.synthetic.face import CANVAS, Face, draw_face

WIDTH, HEIGHT = 640, 480
ZOOM = HEIGHT / CANVAS
"""Frame pixels for one pixel of the drawing."""
AMPLITUDE = 3.0
"""Pixels of the drawing that a unit of strength 1 moves the skin at amplitude 1, as in the drawn clips."""
SIDE = 96
"""Motion fields are smooth: this many values a side are enough."""
LEAD_S = 4.0
"""Neutral seconds before the first act: whoever watches needs them to learn the person's neutral face."""
GAP_S = (1.0, 2.0)
DURATION_S = {"micro": (0.27, 0.5), "macro": (1.2, 2.2), "blink": (0.15, 0.35), "turn": (0.7, 1.4)}

Frame = npt.NDArray[np.uint8]


class Act(StrEnum):
    """What the person does. Micro-expressions last at most half a second."""

    MICRO = "micro"
    MACRO = "macro"
    BLINK = "blink"
    TURN = "turn"


@dataclass(frozen=True)
class FilmPlan:
    """How many acts of each kind, how strong, how fast the camera is."""

    micro: int = 10
    macro: int = 0
    blinks: int = 5
    turns: int = 5
    fps: float = 30.0
    amplitude: float = 1.0
    seed: int = 1


@dataclass(frozen=True)
class Planted:
    """One act in seconds from the first frame; `label` is the class of an expression, empty for the others."""

    kind: Act
    label: str
    onset_s: float
    apex_s: float
    offset_s: float


@dataclass(frozen=True, eq=False)
class _Motion:
    """What an act does at its height: the skin's field (canvas pixels) and the head's pose."""

    act: Planted
    skin: Field
    pose: npt.NDArray[np.float64]


def plan_acts(plan: FilmPlan) -> tuple[Planted, ...]:
    """The acts in the order of time, neutral stretches of one to two seconds between them.

    The expressions take the classes in turn, from a start that the seed draws.
    """
    random = np.random.default_rng(derive_seed(plan.seed, "film", "acts"))
    kinds = [Act.MICRO] * plan.micro + [Act.MACRO] * plan.macro + [Act.BLINK] * plan.blinks + [Act.TURN] * plan.turns
    labels = [str(label) for label in random.permutation(list(PROTOTYPES))]
    acts: list[Planted] = []
    now, shown = LEAD_S, 0
    for index in random.permutation(len(kinds)):
        kind = kinds[index]
        seconds = random.uniform(*DURATION_S[kind])
        label = ""
        if kind in (Act.MICRO, Act.MACRO):
            label, shown = labels[shown % len(labels)], shown + 1
        acts.append(Planted(kind, label, now, now + seconds * random.uniform(0.4, 0.55), now + seconds))
        now += seconds + random.uniform(*GAP_S)
    return tuple(acts)


def film_seconds(plan: FilmPlan) -> float:
    """Length of the film: one and a half neutral seconds follow the last act."""
    return max((act.offset_s for act in plan_acts(plan)), default=LEAD_S) + 1.5


def film_frames(plan: FilmPlan) -> Iterator[Frame]:
    """Draw the film, uint8 (480, 640, 3) RGB, one frame at a time."""
    random = np.random.default_rng(derive_seed(plan.seed, "film", "person"))
    face, style = draw_face(random), draw_style(random)
    camera = CAMERAS["lab-a"]
    exposed = expose(face, camera)
    motions = [_motion(act, face, style, plan.amplitude, random) for act in plan_acts(plan)]
    sway = random.uniform(0.05, 0.25, size=(4, 2)), random.uniform(0, 2 * np.pi, size=(4, 2))
    for index in range(round(film_seconds(plan) * plan.fps)):
        now = index / plan.fps
        drift = np.sin(2 * np.pi * sway[0] * now + sway[1]).mean(axis=1)
        pose = drift * (1.5, 1.0, 0.4, 0.004)
        skin: Field | None = None
        for motion in motions:
            if strength := intensity(motion.act, now):
                pose = pose + strength * motion.pose
                skin = motion.skin * np.float32(strength)
        image = _photograph(exposed, skin, pose) * np.float32(1 + 0.03 * drift[3])
        grain = random.standard_normal((HEIGHT, WIDTH, 1), dtype=np.float32)
        yield np.asarray(np.clip(image + camera.noise * grain, 0, 255), dtype=np.uint8)


def intensity(act: Planted, now: float) -> float:
    """0 outside the act, 1 at its apex, smooth between; a macro-expression is held in its middle third."""
    if not act.onset_s < now < act.offset_s:
        return 0.0
    rise_end, fall_start = act.apex_s, act.apex_s
    if act.kind is Act.MACRO:
        hold = (act.offset_s - act.onset_s) / 6
        rise_end, fall_start = act.apex_s - hold, act.apex_s + hold
    if now < rise_end:
        return float(np.sin(np.pi / 2 * (now - act.onset_s) / (rise_end - act.onset_s)) ** 2)
    if now <= fall_start:
        return 1.0
    return float(np.cos(np.pi / 2 * (now - fall_start) / (act.offset_s - fall_start)) ** 2)


def _motion(act: Planted, face: Face, style: Style, amplitude: float, random: np.random.Generator) -> _Motion:
    still = np.zeros(4)
    if act.kind is Act.BLINK:
        return _Motion(act, displacement(BLINK, face.landmarks, PLAIN, 1.5, SIDE), still)
    if act.kind is Act.TURN:
        side, nod = random.choice((-1, 1)), random.normal(0, 3)
        pose = np.array([side * random.uniform(8, 14), nod, side * random.uniform(1, 5), random.normal(0, 0.01)])
        return _Motion(act, _parallax(pose[0] / 2, nod / 2), pose)
    units = strengths(act.label, random)
    return _Motion(act, displacement(units, face.landmarks, style, AMPLITUDE * amplitude, SIDE), still)


def _parallax(x: float, y: float) -> Field:
    """A head that turns moves its nearest part, the nose, farthest: canvas pixels on top of the whole head's shift."""
    axis = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE
    bump = np.exp(-(((axis[:, None] - 0.58) / 0.25) ** 2 + ((axis[None, :] - 0.5) / 0.2) ** 2) / 2)
    return np.asarray(bump[..., None] * np.array((x, y), dtype=np.float32), dtype=np.float32)


def _photograph(
    exposed: npt.NDArray[np.float32], skin: Field | None, pose: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """Look up where each pixel of the frame comes from on the canvas.

    `pose` is shift x, y (canvas pixels), rotation (degrees), growth.
    """
    angle, scale = np.deg2rad(pose[2]), ZOOM * (1 + pose[3])
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    map_x = np.asarray(cosine * _X + sine * _Y + (CANVAS / 2 - pose[0] - 0.5), dtype=np.float32)
    map_y = np.asarray(-sine * _X + cosine * _Y + (CANVAS / 2 - pose[1] - 0.5), dtype=np.float32)
    if skin is not None:
        moved = cv2.remap(
            skin, (map_x + 0.5) * (SIDE / CANVAS) - 0.5, (map_y + 0.5) * (SIDE / CANVAS) - 0.5, cv2.INTER_LINEAR
        )
        map_x, map_y = map_x - moved[..., 0], map_y - moved[..., 1]
    image = cv2.remap(exposed, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(image, dtype=np.float32)


_X = (np.arange(WIDTH, dtype=np.float32) + 0.5 - WIDTH / 2)[None, :]
_Y = (np.arange(HEIGHT, dtype=np.float32) + 0.5 - HEIGHT / 2)[:, None]
"""Where the frame's pixels lie, from its middle."""

"""What moved between two aligned pictures of one face: brows and mouth against the nose, the eyes, the head."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.spotting.regions import EYE_PATCHES, NOSE, PATCHES, SIDE, UNIT, Group, pixels

Grey = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

GROUPS = tuple(group for group in Group for _ in PATCHES[group])
"""The group of each patch, in the order of `Motion.patches`."""
_BOXES = [pixels(box) for group in Group for box in PATCHES[group]]
_EYES = [pixels(box) for box in EYE_PATCHES]
_NOSE = pixels(NOSE)


@dataclass(frozen=True, eq=False)
class Motion:
    """Mean motions (x, y) in units of the distance between the eyes.

    `patches` float64 (P, 2) and `eyes` float64 (2, 2) are minus the nose's motion, `head` float64 (2,) is the nose's.
    """

    patches: Values = field(repr=False)
    eyes: Values = field(repr=False)
    head: Values


class MotionMeter:
    """DIS optical flow (Kroeger et al., ECCV 2016) between aligned grey pictures, read off in patches."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._dis.setFinestScale(1)

    def measure(self, before: Grey, after: Grey) -> Motion:
        """The motion from one uint8 (128, 128) picture to a later one."""
        assert before.shape == after.shape == (SIDE, SIDE)
        flow = np.asarray(self._dis.calc(before, after, np.empty(0)), dtype=np.float32) / UNIT
        nose = np.median(flow[_NOSE], axis=(0, 1)).astype(np.float64)
        patches = np.array([flow[box].mean(axis=(0, 1), dtype=np.float64) for box in _BOXES]) - nose
        eyes = np.array([flow[box].mean(axis=(0, 1), dtype=np.float64) for box in _EYES]) - nose
        return Motion(patches, eyes, nose)

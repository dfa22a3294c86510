"""One person before the camera: held in one place from picture to picture, and how the face moves there."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.blank import is_blank
from p2pfl_me.data.jumps import Jumps
from p2pfl_me.data.preprocess.alignment import levelled
from p2pfl_me.data.preprocess.faces import Face, Point
from p2pfl_me.spotting.motion import Motion, MotionMeter
from p2pfl_me.spotting.regions import EYES, SIDE, UNIT
from p2pfl_me.spotting.settings import SpotterSettings
from p2pfl_me.spotting.spotter import Observation

Image = npt.NDArray[np.uint8]

KEPT_S = 1.8
"""How far back pictures of a person are held in memory: an event is told up to 0.9 s after its apex."""
MARGIN = 0.6
"""What is held of a picture reaches so far beyond the face's box, in units of its side."""
SLACK = 0.25
"""A picture stands for the moment k ago if it is at most this share of k off."""


@dataclass(frozen=True, eq=False)
class Moment:
    """A picture that is held for a while: the part around the face, and where the eyes were put when it was taken."""

    time_s: float
    aligned: Image = field(repr=False)
    part: Image = field(repr=False)
    left_eye: Point
    right_eye: Point


class Person:
    """A face that stays: `number` names it on the page and means nobody.

    The face is anchored where its eyes were found and held there, for a face that is found anew in every picture
    jitters by more than a micro-expression moves.
    """

    def __init__(self, number: int, face: Face, settings: SpotterSettings) -> None:
        self.number = number
        self.seen_s = 0.0
        self._settings = settings
        self._meter = MotionMeter()
        self._moments: deque[Moment] = deque()
        self.jumps = Jumps()
        self.anchor(face)

    def anchor(self, face: Face) -> None:
        """Hold the face here from now on; what was seen before cannot be compared with what follows."""
        self.face = face
        self._matrix = levelled(face.left_eye, face.right_eye, EYES, UNIT)
        self.jumps.forget()
        self.forget()

    def forget(self) -> None:
        """Compare what follows with nothing that was seen before."""
        self._moments.clear()

    def look(self, time_s: float, frame: Image, grey: Image) -> Observation | None:
        """The motion that ends with this picture, RGB (H, W, 3) and grey (H, W).

        None where one colour is all that there is of the face: a covered lens or a flash moves more than any
        expression.
        """
        aligned = np.asarray(
            cv2.warpAffine(grey, self._matrix, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE),
            dtype=np.uint8,
        )
        if is_blank(aligned):
            return None
        if self.jumps.push(time_s, aligned):
            self.forget()
        micro, macro = (self._motion(time_s, k, aligned) for k in (self._settings.micro_s, self._settings.macro_s))
        self._hold(time_s, aligned, frame)
        return Observation(time_s, micro, macro)

    def between(self, onset_s: float, offset_s: float) -> tuple[Moment, ...]:
        """The held pictures of an event, all of one size and place; none if its onset's is not held."""
        first = min(self._moments, key=lambda each: abs(each.time_s - onset_s), default=None)
        if first is None or abs(first.time_s - onset_s) > SLACK * self._settings.micro_s:
            return ()
        return tuple(each for each in self._moments if first.time_s <= each.time_s <= offset_s)

    def _motion(self, time_s: float, k: float, aligned: Image) -> Motion | None:
        wanted = time_s - k
        before = min(self._moments, key=lambda each: abs(each.time_s - wanted), default=None)
        if before is None or abs(before.time_s - wanted) > SLACK * k:
            return None
        return self._meter.measure(before.aligned, aligned)

    def _hold(self, time_s: float, aligned: Image, frame: Image) -> None:
        face, height, width = self.face, *frame.shape[:2]
        reach = MARGIN * face.side
        left, top = max(0, round(face.x - reach)), max(0, round(face.y - reach))
        right, bottom = min(width, round(face.x + face.side + reach)), min(height, round(face.y + face.side + reach))
        eyes = [(x - left, y - top) for x, y in (face.left_eye, face.right_eye)]
        self._moments.append(Moment(time_s, aligned, frame[top:bottom, left:right].copy(), eyes[0], eyes[1]))
        while self._moments[0].time_s < time_s - KEPT_S:
            self._moments.popleft()

"""One similarity a clip, from the eyes of its onset: eyes level, at fixed places, at a fixed distance.

Every frame goes through the transform of the onset: a face found anew in each frame would jitter by more than a
micro-expression moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.data.preprocess.faces import Face, Point
from p2pfl_me.data.preprocess.regions import EYE_DISTANCE, MIDDLE

Image = npt.NDArray[np.uint8]

SIDE = 192
"""Side of the aligned picture in pixels; its eyes lie 63 apart."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Takes frames to the aligned picture, uint8 (side, side, 3).

    `matrix` is float64 (2, 3): where a frame's point (x, y) lies in the aligned picture, as in `cv2.warpAffine`.
    """

    matrix: npt.NDArray[np.float64] = field(repr=False)
    side: int

    def picture(self, frame: Image) -> Image:
        """One frame (H, W, 3) or (H, W), aligned; what lies beyond its edge repeats the edge."""
        shrinks = 1 / float(np.hypot(*self.matrix[0, :2]))
        if shrinks > 1.2:  # or detail finer than the aligned picture's pixels would turn into noise
            frame, matrix = self._softened(frame, 0.45 * float(np.sqrt(shrinks**2 - 1)))
        else:
            matrix = self.matrix
        out = cv2.warpAffine(
            frame, matrix, (self.side, self.side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(out, dtype=np.uint8)

    def to_frame(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Where points (n, 2) of the aligned picture lie in the frame, float64 (n, 2)."""
        back = cv2.invertAffineTransform(self.matrix)
        return np.asarray(points, dtype=np.float64) @ back[:, :2].T + back[:, 2]

    def _softened(self, frame: Image, sigma: float) -> tuple[Image, npt.NDArray[np.float64]]:
        """The part of the frame that the aligned picture shows, blurred, and the transform from there."""
        corners = self.to_frame([(0, 0), (0, self.side), (self.side, 0), (self.side, self.side)])
        low = np.floor(corners.min(axis=0) - 4 * sigma - 1).astype(int)
        high = np.ceil(corners.max(axis=0) + 4 * sigma + 2).astype(int)
        left, top = (int(min(max(value, 0), size - 1)) for value, size in zip(low, frame.shape[1::-1], strict=True))
        right, bottom = (
            int(min(max(value, start + 1), size))
            for value, start, size in zip(high, (left, top), frame.shape[1::-1], strict=True)
        )
        part = cv2.GaussianBlur(frame[top:bottom, left:right], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ (left, top)
        return np.asarray(part, dtype=np.uint8), matrix


def align_eyes(left_eye: Point, right_eye: Point, side: int = SIDE) -> Alignment:
    """The similarity that brings two eyes, in pixels of the frame, to their places in the aligned picture."""
    middle = (MIDDLE[0] * side, MIDDLE[1] * side)
    return Alignment(levelled(left_eye, right_eye, middle, EYE_DISTANCE * side), side)


def levelled(left_eye: Point, right_eye: Point, middle: Point, distance: float) -> npt.NDArray[np.float64]:
    """The similarity that brings two eyes level, `distance` apart about `middle`: float64 (2, 3), as `cv2.warpAffine`
    takes it."""
    across = np.subtract(right_eye, left_eye)
    turn = distance / float(across @ across) * np.array([[across[0], across[1]], [-across[1], across[0]]])
    return np.column_stack((turn, np.array(middle) - turn @ (np.add(left_eye, right_eye) / 2)))


def align_face(face: Face, side: int = SIDE) -> Alignment:
    """The alignment of a face that was found."""
    return align_eyes(face.left_eye, face.right_eye, side)


def align_whole(width: int, height: int, side: int = SIDE) -> Alignment:
    """The whole frame as the aligned picture, stretched to a square: for films that are cropped to the face already."""
    across, down = side / width, side / height
    # Pixel centres are whole numbers: edges meet edges, so the first pixel's centre moves to (scale - 1) / 2.
    return Alignment(np.array([[across, 0.0, (across - 1) / 2], [0.0, down, (down - 1) / 2]]), side)

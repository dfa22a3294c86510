"""Faces in a frame and where their eyes are: the Haar cascades that ship with OpenCV 4. Nobody is recognised as anyone.

Viola and Jones, "Rapid object detection using a boosted cascade of simple features", CVPR 2001. A frame is searched as
it is, then with its contrast evened out, because cascades miss dark skin in dim light.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.errors import DataError

Image = npt.NDArray[np.uint8]
Point = tuple[float, float]

SEARCHED = 320
"""Longer side in pixels at which frames are searched: a face must be large for a micro-expression to be seen at all."""
SMALLEST = 1 / 5
"""Smallest side of a face, as a share of the frame's shorter side."""
EDGE = 1 / 5
"""How far frames are widened where a face is not found in them as they are, as a share of the longer side."""
EYE_WIDTH = 160
"""Faces are brought to this width in pixels for the search of eyes."""
USUAL_EYES: tuple[Point, Point] = ((0.31, 0.40), (0.69, 0.40))
"""Where eyes lie in a face's box, in units of its side; taken where the cascades see no pair."""
AS_LARGE = 0.6
"""Side of a second face, as a share of the first's, from which nobody knows who is meant."""
ODD = 0.25
"""The most that a pair of eyes may differ from the usual one (shares of the box, summed)."""


class EyesSource(StrEnum):
    SEEN = "seen"
    USUAL = "usual"


@dataclass(frozen=True, slots=True)
class Face:
    """A face's square box (x, y of its top left corner, side) and its eyes, the one on the frame's left first, in
    pixels of the frame; pixel centres are whole numbers."""

    x: float
    y: float
    side: float
    left_eye: Point
    right_eye: Point
    eyes: EyesSource


@dataclass(frozen=True, slots=True)
class _Search:
    """One way to look: the cascade, whether contrast is evened out (CLAHE), whether the frame is widened by repeating
    its edge (faces that fill a cropped frame stand out of it), the ratio of sizes, the votes wanted."""

    cascade: str
    evened: bool
    widened: bool
    step: float
    votes: int


_SEARCHES = (
    _Search("frontalface_alt2", False, False, 1.1, 4),
    _Search("frontalface_default", True, True, 1.05, 3),
    _Search("frontalface_alt2", False, True, 1.05, 3),
)
"""In turn until one finds a face with eyes, the quick one first; failing that, the first face without."""


def find_face(frame: Image) -> Face | None:
    """The largest face of an RGB frame (H, W, 3), or None."""
    return next(iter(find_faces(frame)), None)


def find_faces(frame: Image) -> tuple[Face, ...]:
    """All faces of an RGB frame (H, W, 3), largest first."""
    grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    factor = max(1.0, max(grey.shape) / SEARCHED)
    small = _shrunk(grey, factor)
    without_eyes: tuple[Face, ...] = ()
    for search in _SEARCHES:
        boxes = [tuple(factor * value for value in box) for box in _boxes(search, small)]
        faces = tuple(_with_eyes(grey, x, y, side) for x, y, side in boxes)
        if any(face.eyes is EyesSource.SEEN for face in faces):
            return faces
        if not search.evened:  # without eyes to confirm it, a face found in stretched contrast is often none
            without_eyes = without_eyes or faces
    return without_eyes


def two_are_meant(faces: Sequence[Face]) -> bool:
    """Whether a second face, seen with its eyes, is about as large as the first: nobody knows who is meant."""
    if len(faces) < 2:
        return False
    first, second = faces[:2]
    return first.eyes is second.eyes is EyesSource.SEEN and second.side >= AS_LARGE * first.side


def _boxes(search: _Search, grey: Image) -> list[tuple[float, float, float]]:
    least = round(min(grey.shape) * SMALLEST)
    if search.evened:
        grey = np.asarray(cv2.createCLAHE(clipLimit=4.0, tileGridSize=(4, 4)).apply(grey), dtype=np.uint8)
    edge = round(max(grey.shape) * EDGE) if search.widened else 0
    grey = np.asarray(cv2.copyMakeBorder(grey, edge, edge, edge, edge, cv2.BORDER_REPLICATE), dtype=np.uint8)
    found = _cascade(search.cascade).detectMultiScale(grey, search.step, search.votes, minSize=(least, least))
    boxes = [(float(x - edge), float(y - edge), float(side)) for x, y, side, _ in found]
    boxes.sort(key=lambda box: (-box[2], box))
    return list(_apart(boxes))


def _apart(boxes: Sequence[tuple[float, float, float]]) -> Iterator[tuple[float, float, float]]:
    """Boxes whose middle does not lie in a larger one."""
    kept: list[tuple[float, float, float]] = []
    for x, y, side in boxes:
        middle = x + side / 2, y + side / 2
        if not any(a < middle[0] < a + size and b < middle[1] < b + size for a, b, size in kept):
            kept.append((x, y, side))
            yield x, y, side


def _with_eyes(grey: Image, x: float, y: float, side: float) -> Face:
    top, left = max(0, round(y)), max(0, round(x))
    part = grey[top : round(y + 0.62 * side), left : round(x + side)]
    factor = side / EYE_WIDTH
    upper = _shrunk(part, factor)
    for names in (_EYES, _SIDED_EYES):
        seen = []
        for name in names:
            found = _cascade(name).detectMultiScale(
                upper, 1.06, 3, minSize=(EYE_WIDTH // 8,) * 2, maxSize=(EYE_WIDTH // 3,) * 2
            )
            across, down = (left - x) / side, (top - y) / side  # a box may stand out of the frame
            seen += [(across + (a + w / 2) / EYE_WIDTH, down + (b + h / 2) / EYE_WIDTH) for a, b, w, h in found]
        if pair := _pair(seen):
            eyes = [(float(x + eye[0] * side - 0.5), float(y + eye[1] * side - 0.5)) for eye in pair]
            return Face(x, y, side, eyes[0], eyes[1], EyesSource.SEEN)
    usual = [(x + across * side, y + down * side) for across, down in USUAL_EYES]
    return Face(x, y, side, usual[0], usual[1], EyesSource.USUAL)


def _pair(seen: Sequence[Point]) -> tuple[Point, Point] | None:
    """The two that lie most like a pair of eyes; of equals the first."""

    def oddness(pair: tuple[Point, Point]) -> float:
        (x1, y1), (x2, y2) = pair
        (usual, level), (other, _) = USUAL_EYES
        return abs(y1 - y2) + abs(x2 - x1 - (other - usual)) + abs((x1 + x2) / 2 - 0.5) + abs((y1 + y2) / 2 - level) / 2

    pairs = [(one, two) if one[0] < two[0] else (two, one) for one, two in combinations(seen, 2)]
    best = min(pairs, key=oddness, default=None)
    return best if best is not None and oddness(best) < ODD else None


def _shrunk(grey: Image, factor: float) -> Image:
    size = (max(1, round(grey.shape[1] / factor)), max(1, round(grey.shape[0] / factor)))
    way = cv2.INTER_AREA if factor > 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, size, interpolation=way), dtype=np.uint8) if grey.size else grey


_EYES, _SIDED_EYES = ("eye_tree_eyeglasses",), ("lefteye_2splits", "righteye_2splits")


def _cascade(name: str) -> cv2.CascadeClassifier:
    """Each thread its own: a cascade keeps its work between calls."""
    return _cascade_of(threading.get_ident(), name)


@cache
def _cascade_of(_: int, name: str) -> cv2.CascadeClassifier:
    folder = Path(getattr(getattr(cv2, "data", None), "haarcascades", ""))
    path = folder / f"haarcascade_{name}.xml"
    if not path.is_file():
        raise DataError(
            "OpenCV's face cascade is missing", where=str(path), fix="install opencv-python-headless 4.x: 5 has none"
        )
    return cv2.CascadeClassifier(str(path))

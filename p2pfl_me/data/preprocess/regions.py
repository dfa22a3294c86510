"""Where the parts of an aligned face lie, as rectangles and as masks.

Places are in units of the distance between the eyes, from the point midway between them; x grows to the picture's
right, y downwards. So they are the same for every face and every size of picture.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.contract.preprocess import Region

Mask = npt.NDArray[np.bool_]
Place = tuple[float, float, float, float]
"""Left, top, right, bottom."""

MIDDLE = (0.5, 0.36)
"""The point midway between the eyes, in units of the aligned picture's side."""
EYE_DISTANCE = 0.33
"""Between the centres of the eyes, in units of the aligned picture's side: it shows forehead, cheeks and chin."""

PLACES: Mapping[Region, tuple[Place, ...]] = {
    Region.BROWS: ((-0.95, -0.62, -0.02, -0.20), (0.02, -0.62, 0.95, -0.20)),
    Region.EYES: ((-0.85, -0.20, -0.15, 0.22), (0.15, -0.20, 0.85, 0.22)),
    Region.NOSE: ((-0.28, 0.02, 0.28, 0.72),),
    Region.MOUTH: ((-0.65, 0.72, 0.65, 1.45),),
}
FACE_OVAL = (0.0, 0.50, 1.05, 1.32)
"""The face: centre (x, y) and half axes of an ellipse from hairline to chin."""


def rectangles(region: Region, side: int) -> tuple[tuple[int, int, int, int], ...]:
    """The rectangles of `region` in an aligned picture of `side` pixels: left, top, right, bottom, right and bottom
    excluded. The face's is the one around its oval."""
    x, y, half_width, half_height = FACE_OVAL
    oval = ((x - half_width, y - half_height, x + half_width, y + half_height),)
    return tuple(_pixels(place, side) for place in (oval if region is Region.FACE else PLACES[region]))


def mask(regions: Collection[Region], side: int) -> Mask:
    """True where an aligned picture of `side` pixels shows one of `regions`, bool (side, side)."""
    out = np.zeros((side, side), dtype=np.uint8)
    for region in regions:
        if region is Region.FACE:
            x, y, half_width, half_height = (EYE_DISTANCE * side * value for value in FACE_OVAL)
            center = (round(MIDDLE[0] * side + x), round(MIDDLE[1] * side + y))
            cv2.ellipse(out, center, (round(half_width), round(half_height)), 0, 0, 360, 1, -1)
        else:
            for left, top, right, bottom in rectangles(region, side):
                out[top:bottom, left:right] = 1
    return out.astype(np.bool_)


def steady(side: int) -> Mask:
    """Nose and cheeks below the eyes and above the mouth: what the head moves, and expressions least."""
    out = mask((Region.FACE,), side)
    ((_, top, _, _), _), ((_, bottom, _, _),) = rectangles(Region.EYES, side), rectangles(Region.MOUTH, side)
    out[:top] = out[bottom:] = False
    return out & ~mask((Region.EYES,), side)


def _pixels(place: Place, side: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = (EYE_DISTANCE * side * value for value in place)
    x, y = MIDDLE[0] * side, MIDDLE[1] * side
    inside = (round(x + left), round(y + top), round(x + right), round(y + bottom))
    return tuple(min(max(value, 0), side) for value in inside)  # type: ignore[return-value]

"""Where things are in an aligned face, in units of the distance between the eyes, from the point midway between them.

x grows to the picture's right, y downwards. `SIDE`, `EYES` and `UNIT` say how the aligned picture is cut out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

SIDE = 128
"""Side of the aligned grey picture in pixels."""
UNIT = 40.0
"""Distance between the eyes in the aligned picture, in pixels."""
EYES = (64.0, 50.0)
"""The point midway between the eyes in the aligned picture: x, y in pixels."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


class Group(StrEnum):
    """Where an expression shows itself."""

    BROWS = "brows"
    MOUTH = "mouth"


PATCHES: Mapping[Group, tuple[Box, ...]] = {
    Group.BROWS: (
        (-0.85, -0.60, -0.45, -0.24),
        (-0.45, -0.60, -0.08, -0.24),
        (0.08, -0.60, 0.45, -0.24),
        (0.45, -0.60, 0.85, -0.24),
    ),
    Group.MOUTH: (
        (-0.60, 0.80, -0.22, 1.30),
        (-0.22, 0.80, 0.22, 1.06),
        (-0.22, 1.06, 0.22, 1.35),
        (0.22, 0.80, 0.60, 1.30),
        (-0.30, 1.35, 0.30, 1.75),
    ),
}
EYE_PATCHES: tuple[Box, ...] = ((-0.80, -0.18, -0.22, 0.18), (0.22, -0.18, 0.80, 0.18))
NOSE: Box = (-0.16, 0.02, 0.16, 0.50)
"""The bridge: no muscle of expression moves it much, so what it does the head does."""


def pixels(box: Box) -> tuple[slice, slice]:
    """Rows and columns of a box in the aligned picture."""
    left, top, right, bottom = box
    rows = slice(round(EYES[1] + top * UNIT), round(EYES[1] + bottom * UNIT))
    columns = slice(round(EYES[0] + left * UNIT), round(EYES[0] + right * UNIT))
    return rows, columns

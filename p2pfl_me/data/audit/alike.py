"""Pictures that are the same but for size, format or light: differences in a coarse copy, and who is close to whom."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 16
NEAR = 0.98
"""Cosine of two signatures from which pictures count as one. A face saved again, at another size or light, stays above
.99; the closest two of 309 real flow images are at .89 (docs/measurements.md)."""
FLAT = 1.0
"""Grey levels, root of the sum of squares: a picture that varies less holds nothing to compare."""
BLOCK = 2048

Signature = npt.NDArray[np.float32]


def signature_of(image: npt.NDArray[np.uint8]) -> Signature | None:
    """Differences between neighbours in a 17 x 17 copy, to the right and down, float32 (512,) of length 1.

    Offset and contrast drop out; a flat picture has none.

    Parameters
    ----------
    image:
        uint8 (H, W, 3) RGB.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (SIDE + 1, SIDE + 1), interpolation=cv2.INTER_AREA).astype(np.float32)
    corner = small[:-1, :-1]
    differences = np.concatenate([(small[:-1, 1:] - corner).ravel(), (small[1:, :-1] - corner).ravel()])
    length = float(np.linalg.norm(differences))
    return None if length < FLAT else np.asarray(differences / length, dtype=np.float32)


def close_pairs(signatures: Signature, others: Signature | None = None) -> Iterator[tuple[int, int]]:
    """Pairs i < j of rows of float32 (N, 512) that show one picture: a matrix product a block.

    Row j is taken from `others` where they are given: of the same pictures in a mirror, those that show each other's.
    """
    second = signatures if others is None else others
    for begin in range(0, len(signatures), BLOCK):
        cosines = signatures[begin : begin + BLOCK] @ second[begin:].T
        for row, column in np.argwhere(cosines >= NEAR).tolist():
            if column > row:
                yield begin + row, begin + column

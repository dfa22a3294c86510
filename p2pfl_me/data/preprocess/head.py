"""Motion of the head, to be taken off a flow: what is left is the skin's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from p2pfl_me.contract.preprocess import HeadMotion, Region
from p2pfl_me.data.preprocess.regions import Mask, mask, rectangles, steady

Field = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]

STEP = 3
"""Every third pixel each way is enough for four numbers."""
ROUNDS = 8
TUKEY = 4.685
"""Tukey's bisquare keeps 95 % of least squares' efficiency on normal residuals with this constant."""
LEAST = 0.02
"""Pixels: below this spread of the residuals all of it is the flow's own noise."""


def head_motion(flow: Field, how: HeadMotion, *, aligned: bool = False) -> Field:
    """The head's part of a flow (S, S, 2), float32, of a shape that subtracts from it.

    `median`: the shift by which half of the pixels move less. `nose`: the same of the nose alone, which no muscle of
    expression moves much (aligned faces only). `rigid`: shift, turn and growth together, fitted with Tukey's bisquare
    weights, so that what moves for itself does not pull at the head. In aligned pictures the face tells the median,
    and nose and cheeks, which move least, the rigid fit; in others every pixel does.
    """
    if how is HeadMotion.NONE:
        return np.zeros(2, dtype=np.float32)
    if how is HeadMotion.NOSE:
        ((left, top, right, bottom),) = rectangles(Region.NOSE, len(flow))
        return np.asarray(np.median(flow[top:bottom, left:right], axis=(0, 1)), dtype=np.float32)
    if how is HeadMotion.MEDIAN:
        seen = flow[mask((Region.FACE,), len(flow))] if aligned else flow.reshape(-1, 2)
        return np.asarray(np.median(seen, axis=0), dtype=np.float32)
    return _rigid(flow, steady(len(flow)) if aligned else None)


def _rigid(flow: Field, told: Mask | None) -> Field:
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    every = np.zeros((height, width), dtype=np.bool_)
    every[::STEP, ::STEP] = True
    chosen = every if told is None else every & told
    motion, terms = flow[chosen].astype(np.float64), _terms(x[chosen], y[chosen], width, height)
    fit = np.array([0, 0, *np.median(motion, axis=0)])  # a start by least squares would believe whatever moves far
    for _ in range(ROUNDS):
        off = np.hypot(*(motion - _moved(terms, fit)).T)
        spread = max(float(np.median(off)) / 0.6745, LEAST)
        weights = np.clip(1 - (off / (TUKEY * spread)) ** 2, 0, None) ** 2
        fit = _least_squares(terms, motion, weights)
    return np.asarray(_moved(_terms(x, y, width, height), fit), dtype=np.float32)


def _terms(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], width: int, height: int) -> tuple[Numbers, Numbers]:
    """Places from the middle, in units of the longer side."""
    return (x - (width - 1) / 2) / max(width, height), (y - (height - 1) / 2) / max(width, height)


def _moved(terms: tuple[Numbers, Numbers], fit: Numbers) -> Numbers:
    """(growth x - turn y + shift x, turn x + growth y + shift y)."""
    x, y = terms
    growth, turn, across, down = fit
    return np.stack((growth * x - turn * y + across, turn * x + growth * y + down), axis=-1)


def _least_squares(terms: tuple[Numbers, Numbers], motion: Numbers, weights: Numbers) -> Numbers:
    """Growth, turn and shift with the least weighted squared error: four normal equations."""
    (x, y), (u, v), w = terms, motion.T, weights
    one, sx, sy, ss = w.sum(), (w * x).sum(), (w * y).sum(), (w * (x * x + y * y)).sum()
    matrix = np.array([[ss, 0, sx, sy], [0, ss, -sy, sx], [sx, -sy, one, 0], [sy, sx, 0, one]])
    right = np.array([(w * (x * u + y * v)).sum(), (w * (x * v - y * u)).sum(), (w * u).sum(), (w * v).sum()])
    return np.linalg.solve(matrix, right)

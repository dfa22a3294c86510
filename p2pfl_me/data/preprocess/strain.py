"""Optical strain: how much the skin stretches and shears, whatever the head does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Field = npt.NDArray[np.float32]


def strain(flow: Field) -> Field:
    """sqrt(ux^2 + vy^2 + (uy + vx)^2 / 2) of a flow (H, W, 2), float32 (H, W), in pixels per pixel.

    The norm of the infinitesimal strain tensor (grad w + grad w^T) / 2, by central differences, one-sided at the edge;
    shifts and small rotations have none (Shreve et al., "Macro- and micro-expression spotting in long videos using
    spatio-temporal strain", FG 2011).
    """
    u, v = flow[..., 0], flow[..., 1]
    (uy, ux), (vy, vx) = np.gradient(u), np.gradient(v)
    return np.asarray(np.sqrt(ux**2 + vy**2 + (uy + vx) ** 2 / 2), dtype=np.float32)

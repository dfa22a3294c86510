"""Onset-to-apex optical flow as an image: horizontal, vertical, strain. The scale is fixed, so amplitude survives."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

FLOW_SIZE = 96
"""Frames are brought to this size (pixels) before the flow, so that the scale below means the same for every camera."""
FLOW_SCALE = 2.0
"""Pixels of motion that fill the range: -2 -> 0, 0 -> 128, +2 -> 255."""
STRAIN_SCALE = 0.5
"""Strain (pixels per pixel) that maps to 255."""


def flow_image(onset: Image, apex: Image, size: int) -> Image:
    """The motion between two RGB frames (H, W, 3) as uint8 (size, size, 3): u, v, strain.

    DIS optical flow (Kroeger et al., ECCV 2016); the median motion is taken off as head motion; optical strain is
    sqrt(ux^2 + vy^2 + (uy + vx)^2 / 2) by central differences.
    """
    first, second = (_grey(frame) for frame in (onset, apex))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.asarray(dis.calc(first, second, np.empty(0)), dtype=np.float32)
    flow -= np.median(flow, axis=(0, 1))
    u, v = flow[..., 0], flow[..., 1]
    (uy, ux), (vy, vx) = np.gradient(u), np.gradient(v)
    strain = np.sqrt(ux**2 + vy**2 + (uy + vx) ** 2 / 2)
    planes = (128 + 127 * u / FLOW_SCALE, 128 + 127 * v / FLOW_SCALE, 255 * strain / STRAIN_SCALE)
    image = np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _grey(frame: Image) -> Image:
    resized = cv2.resize(frame, (FLOW_SIZE, FLOW_SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_RGB2GRAY), dtype=np.uint8)

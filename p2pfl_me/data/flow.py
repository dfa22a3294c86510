"""Onset-to-apex optical flow as an image: horizontal, vertical, strain. The scale is fixed, so amplitude survives."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

FLOW_SIZE = 96
"""Frames are brought to this size (pixels) before the flow, so that the scale below means the same for every camera."""
STILL = (124, 116, 104)
"""No motion, no strain: the mean colour that the network's input is centred on. A still face is zero to the network,
so what its frozen layers give is the motion's alone and is not drowned in an answer that all clips share."""
FLOW_SCALE = 1.5
"""Pixels of motion that move u and v by 127 grey levels; larger motion saturates."""
STRAIN_SCALE = 0.5
"""Strain (pixels per pixel) that moves its plane by 127 grey levels."""
RECIPE = f"DIS medium, {FLOW_SIZE} pixels, still {STILL}, flow {FLOW_SCALE:g}, strain {STRAIN_SCALE:g}"
"""What decides the image besides the frames; cached features are kept under it."""


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
    planes = np.stack((u / FLOW_SCALE, v / FLOW_SCALE, strain / STRAIN_SCALE), axis=-1)
    image = np.clip(np.rint(np.array(STILL) + 127 * planes), 0, 255).astype(np.uint8)
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _grey(frame: Image) -> Image:
    resized = cv2.resize(frame, (FLOW_SIZE, FLOW_SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_RGB2GRAY), dtype=np.uint8)

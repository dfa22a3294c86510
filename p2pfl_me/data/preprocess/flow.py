"""Optical flow between two pictures of one face, and the image that is made of it: horizontal, vertical, strain."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from p2pfl_me.contract.preprocess import FlowMethod, HeadMotion, Region, Scale
from p2pfl_me.data.preprocess.head import head_motion
from p2pfl_me.data.preprocess.regions import EYE_DISTANCE, Mask, mask

Image = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

STILL = (124, 116, 104)
"""No motion, no strain: the mean colour that the network's input is centred on. A still face is zero to the network,
so what its frozen layers give is the motion's alone and is not drowned in an answer that all clips share."""
EYE_SHARE = 1 / 18
"""Motion, in units of the distance between the eyes, that moves u and v by 127 grey levels; larger motion saturates."""
STRAIN_SCALE = 0.5
"""Strain (pixels per pixel) that moves its plane by 127 grey levels."""
WHOLE_SIDE = 96
"""Frames that are taken whole are brought to this side in pixels before the flow, so that WHOLE_SCALE means the same
for every camera."""
WHOLE_SCALE = 1.5
"""Pixels of motion of such frames that move u and v by 127 grey levels."""


@dataclass(frozen=True, slots=True)
class FlowRecipe:
    """How a flow image is made; `masked` are the regions that are kept (all, where empty)."""

    method: FlowMethod = FlowMethod.DIS
    head: HeadMotion = HeadMotion.MEDIAN
    scale: Scale = Scale.FIXED
    masked: tuple[Region, ...] = ()
    aligned: bool = False

    def __str__(self) -> str:
        """All that decides the image besides the pictures."""
        kept = "+".join(self.masked) or "all"
        unit = f"eyes {EYE_SHARE:g}" if self.aligned else f"whole {WHOLE_SIDE} {WHOLE_SCALE:g}"
        scale = f"fixed {unit} strain {STRAIN_SCALE:g}" if self.scale is Scale.FIXED else f"image {unit.split()[0]}"
        return f"flow {self.method} head {self.head} {scale} still {STILL} keep {kept}"


def flow_field(first: Image, second: Image, method: FlowMethod) -> Field:
    """Where each pixel of the first uint8 picture went to in the second: float32 (H, W, 2), x and y, in pixels.

    `dis`: dense inverse search, OpenCV's medium preset (Kroeger et al., "Fast optical flow using dense inverse search",
    ECCV 2016). `farneback`: polynomial expansion (Farneback, "Two-frame motion estimation based on polynomial
    expansion", SCIA 2003), 3 levels of a pyramid, window 15, 3 rounds, neighbourhood 5, sigma 1.2.
    """
    first, second = grey(first), grey(second)
    if method is FlowMethod.DIS:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        return np.asarray(dis.calc(first, second, np.empty(0)), dtype=np.float32)
    empty = np.zeros((*first.shape, 2), dtype=np.float32)
    return np.asarray(cv2.calcOpticalFlowFarneback(first, second, empty, 0.5, 3, 15, 3, 5, 1.2, 0), dtype=np.float32)


def skin_flow(first: Image, second: Image, recipe: FlowRecipe) -> Field:
    """The flow without the motion of the head, float32 (H, W, 2), in pixels; in aligned pictures the face tells it."""
    flow = flow_field(first, second, recipe.method)
    flow -= head_motion(flow, recipe.head, aligned=recipe.aligned)
    return flow


def flow_image(first: Image, second: Image, recipe: FlowRecipe, size: int) -> Image:
    """The motion from one square picture (S, S, 3) to another as uint8 (size, size, 3): u, v, strain.

    Fixed scale: no motion is `STILL`, amplitude survives, and of aligned faces it is measured in distances between the
    eyes. Scale of the image: each plane from its least to its greatest value, as in STSTNet, whose amplitude is lost.
    What the masks leave out is `STILL`.
    """
    flow = skin_flow(first, second, recipe)
    kept = mask(recipe.masked, len(flow)) if recipe.masked else None
    planes = np.concatenate((flow, strain(flow)[..., None]), axis=-1)
    if recipe.scale is Scale.FIXED:
        unit = np.float32(EYE_SHARE * EYE_DISTANCE * len(flow) if recipe.aligned else WHOLE_SCALE)
        image = _fixed(planes, unit)
    else:
        image = _stretched(planes, kept)
    if kept is not None:
        image[~kept] = STILL
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def grey(picture: Image) -> Image:
    """A picture (H, W, 3) in RGB, or already grey (H, W), as uint8 (H, W)."""
    if picture.ndim == 2:
        return picture
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def _fixed(planes: Field, unit: np.float32) -> Image:
    scaled = np.stack((planes[..., 0] / unit, planes[..., 1] / unit, planes[..., 2] / STRAIN_SCALE), axis=-1)
    return np.asarray(np.clip(np.rint(np.array(STILL) + 127 * scaled), 0, 255), dtype=np.uint8)


def _stretched(planes: Field, kept: Mask | None) -> Image:
    seen = planes.reshape(-1, 3) if kept is None else planes[kept]
    low, high = seen.min(axis=0), seen.max(axis=0)
    span = np.where(high > low, high - low, 1)
    return np.asarray(np.clip(np.rint(255 * (planes - low) / span), 0, 255), dtype=np.uint8)


def strain(flow: Field) -> Field:
    """sqrt(ux^2 + vy^2 + (uy + vx)^2 / 2) of a flow (H, W, 2), float32 (H, W), in pixels per pixel.

    The norm of the infinitesimal strain tensor (grad w + grad w^T) / 2, by central differences, one-sided at the edge;
    shifts and small rotations have none (Shreve et al., "Macro- and micro-expression spotting in long videos using
    spatio-temporal strain", FG 2011).
    """
    u, v = flow[..., 0], flow[..., 1]
    (uy, ux), (vy, vx) = np.gradient(u), np.gradient(v)
    return np.asarray(np.sqrt(ux**2 + vy**2 + (uy + vx) ** 2 / 2), dtype=np.float32)

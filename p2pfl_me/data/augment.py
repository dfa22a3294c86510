"""Variants of an input that show the same expression: the mirrored face, small shifts.

The frozen layers run once a variant, so there are a few fixed ones, the same for every sample, not new draws an epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.contract.network import Model
from p2pfl_me.contract.preprocess import Input, Scale
from p2pfl_me.data.preprocess.flow import STILL

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Variant:
    """How one variant is made: mirrored or not, then moved `right` and `down` by so many pixels."""

    mirror: bool = False
    right: int = 0
    down: int = 0


ORIGINAL = Variant()


def variants_of(contract: Contract) -> tuple[Variant, ...]:
    """The variants of the contract's `training.augment`, the original first; without it the original alone."""
    wanted = contract.training.augment
    if wanted is None:
        return (ORIGINAL,)
    moves = _moves(wanted.shifts, wanted.pixels, derive_seed(contract.seed, "augment"))
    mirrors = (False, True) if wanted.mirror else (False,)
    return tuple(Variant(mirror, right, down) for right, down in ((0, 0), *moves) for mirror in mirrors)


def turn_of(model: Model) -> int | None:
    """What a grey level of motion to the right and one of the same motion to the left add up to; None: no flow."""
    if model.input is not Input.FLOW:
        return None
    return 2 * STILL[0] if model.preprocess.scale is Scale.FIXED else 255


def vary(image: Image, variant: Variant, turn: int | None) -> Image:
    """One variant of an input, uint8 (H, W, 3); what a shift uncovers repeats the edge.

    Of flow the first plane is motion to the right: seen in a mirror it goes to the left, so a level becomes `turn`
    less itself. Motion downward, strain, and what a mask has set to `STILL` stay as they are.
    """
    if variant.mirror:
        image = image[:, ::-1]
        if turn is not None:
            left = np.clip(turn - image[..., 0].astype(np.int16), 0, 255).astype(np.uint8)
            masked = (image == np.array(STILL)).all(axis=-1)
            image = np.concatenate([np.where(masked, image[..., 0], left)[..., np.newaxis], image[..., 1:]], axis=-1)
    if variant.right or variant.down:
        rows, columns = (np.arange(size) for size in image.shape[:2])
        rows = np.clip(rows - variant.down, 0, len(rows) - 1)
        columns = np.clip(columns - variant.right, 0, len(columns) - 1)
        image = image[rows[:, None], columns]
    return np.ascontiguousarray(image)


def _moves(count: int, pixels: int, seed: int) -> list[tuple[int, int]]:
    """`count` different shifts (right, down) of up to `pixels`, none of them zero."""
    span = range(-pixels, pixels + 1)
    every = [(right, down) for right in span for down in span if right or down]
    order = np.random.default_rng(seed).permutation(len(every))
    return [every[index] for index in order[:count]]

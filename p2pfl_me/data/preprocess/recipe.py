"""The whole of what decides how a clip becomes images, as one value with one digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from p2pfl_me.contract.network import Model
from p2pfl_me.contract.preprocess import Align, Apex, HeadMotion, Input, Preprocess
from p2pfl_me.data.preprocess.alignment import SIDE
from p2pfl_me.data.preprocess.flow import WHOLE_SIDE, FlowRecipe
from p2pfl_me.data.preprocess.regions import EYE_DISTANCE, MIDDLE

VERSION = 1
"""Raise it when the same options give other images, so that no cache holds images of two kinds."""


@dataclass(frozen=True)
class Recipe:
    """What the contract says of a clip's images: `input`, their side `size`, and the section `model.preprocess`."""

    input: Input
    size: int
    options: Preprocess

    @property
    def aligned(self) -> bool:
        return self.options.align is Align.FACE

    @property
    def side(self) -> int:
        """Side in pixels of the pictures that are worked on before they become `size`."""
        return SIDE if self.aligned or self.input is not Input.FLOW else WHOLE_SIDE

    @property
    def flow(self) -> FlowRecipe:
        """How the flow of the input is taken."""
        options = self.options
        return FlowRecipe(options.flow, options.head_motion, options.scale, options.mask, self.aligned)

    @property
    def search(self) -> FlowRecipe:
        """How the flow is taken that finds an apex."""
        how = HeadMotion.RIGID if self.options.head_motion is HeadMotion.NONE else self.options.head_motion
        return FlowRecipe(self.options.flow, how, aligned=self.aligned)

    @property
    def needs_apex(self) -> bool:
        return self.input in {Input.IMAGE, Input.FLOW}

    def __str__(self) -> str:
        """All that has an effect on the images, and nothing that has none: an option that this input does not use
        makes no cache useless."""
        options = self.options
        said = [f"preprocess {VERSION}", str(self.input), f"{self.size} pixels"]
        if self.input is Input.FRAMES:
            said.append(f"{options.frames} frames")
        if self.aligned:
            said.append(f"face eyes {MIDDLE} {EYE_DISTANCE:g} side {self.side} else whole")
        if self.input is Input.FLOW:
            said.append(str(self.flow))
        elif options.mask:
            said.append(f"keep {'+'.join(options.mask)}")
        if self.needs_apex:
            said.append(f"apex {options.apex}")
            if options.apex is Apex.GIVEN:
                said.append(f"else {options.apex_unknown}")
            if Apex.GREATEST_FLOW in {options.apex, options.apex_unknown}:
                said.append(f"by {self.search}")
        if magnify := options.magnify:
            said.append(f"magnify {magnify.alpha:g} from {magnify.low_hz:g} to {magnify.high_hz:g} Hz")
        return ", ".join(said)

    def digest(self) -> bytes:
        """SHA-256 (32 bytes)."""
        return hashlib.sha256(str(self).encode()).digest()


def recipe_of(model: Model) -> Recipe:
    """The recipe that a contract's model asks for."""
    return Recipe(model.input, model.input_size, model.preprocess)

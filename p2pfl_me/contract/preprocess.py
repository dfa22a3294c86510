"""The keys `model.input` and `model.preprocess`: how a clip becomes the images that the network takes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from p2pfl_me.choice import Part, PositiveInt


class Input(StrEnum):
    """What of a clip the network sees. A single picture is its own apex frame, and a ready flow image."""

    IMAGE = "image"
    """The picture, or the apex frame of a folder of frames."""
    FLOW = "flow"
    """The motion from onset to apex: horizontal, vertical, strain."""
    FRAME = "frame"
    """Every frame from onset to offset is a sample, as in the founding paper."""
    FRAMES = "frames"
    """So many frames, evenly from onset to offset, each a sample."""


class Align(StrEnum):
    NONE = "none"
    FACE = "face"


class Faceless(StrEnum):
    """What becomes of a clip in whose onset no face is found."""

    WHOLE = "whole"
    """Its frames are taken whole, and it is counted."""
    REFUSE = "refuse"
    """Nothing is trained before it is mended."""


class FlowMethod(StrEnum):
    DIS = "dis"
    FARNEBACK = "farneback"


class HeadMotion(StrEnum):
    """What is taken off the flow as motion of the head."""

    NONE = "none"
    MEDIAN = "median"
    NOSE = "nose"
    RIGID = "rigid"


class Scale(StrEnum):
    FIXED = "fixed"
    IMAGE = "image"


class Apex(StrEnum):
    GIVEN = "given"
    MIDDLE = "middle"
    GREATEST_FLOW = "greatest_flow"


class Region(StrEnum):
    """Parts of an aligned face."""

    FACE = "face"
    BROWS = "brows"
    EYES = "eyes"
    NOSE = "nose"
    MOUTH = "mouth"


class Magnify(Part):
    """Eulerian video magnification: `alpha` times the motion between two frequencies (hertz) is added."""

    alpha: Annotated[float, Field(gt=0, le=100)]
    low_hz: Annotated[float, Field(ge=0)]
    high_hz: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _band(self) -> Magnify:
        if self.low_hz >= self.high_hz:
            raise ValueError(f"low_hz ({self.low_hz:g}) must be below high_hz ({self.high_hz:g})")
        return self


class Preprocess(Part):
    """From a clip's frames to the network's images; see docs/preprocessing.md for every option."""

    align: Align = Align.NONE
    faceless: Faceless = Faceless.WHOLE
    flow: FlowMethod = FlowMethod.DIS
    head_motion: HeadMotion = HeadMotion.MEDIAN
    scale: Scale = Scale.FIXED
    apex: Apex = Apex.GIVEN
    apex_unknown: Annotated[Apex, Field(description="where `apex: given` and the clip names none")] = Apex.MIDDLE
    frames: PositiveInt = 6
    magnify: Magnify | None = None
    mask: tuple[Region, ...] = ()

    @field_validator("magnify", mode="before")
    @classmethod
    def _none_is_no_magnification(cls, value: Any) -> Any:
        return None if value == "none" else value

    @field_validator("mask", mode="before")
    @classmethod
    def _regions(cls, value: Any) -> Any:
        """`none`, one region or a list; in one order and once each, so that equal masks have equal digests."""
        if value is None or value == "none":
            return ()
        named = [value] if isinstance(value, str) else value
        if not isinstance(named, list | tuple) or any(each not in list(Region) for each in named):
            return named
        return tuple(region for region in Region if region in named)

    @model_validator(mode="after")
    def _faces_where_they_are_needed(self) -> Preprocess:
        if self.align is Align.NONE and self.mask:
            raise ValueError("`mask` needs `align: face`: only an aligned face has its parts in known places")
        if self.align is Align.NONE and self.head_motion is HeadMotion.NOSE:
            raise ValueError(
                "`head_motion: nose` needs `align: face`: only an aligned face has its nose in a known place"
            )
        if self.apex_unknown is Apex.GIVEN:
            raise ValueError("`apex_unknown` is middle or greatest_flow")
        return self

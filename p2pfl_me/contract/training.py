"""The section `training`: what happens between two exchanges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from p2pfl_me.choice import Conflict, Part, PositiveInt


class CrossEntropy(Part):
    """The founding paper's."""

    kind: Literal["cross_entropy"] = "cross_entropy"


class Focal(Part):
    """Lin et al., ICCV 2017: the share (1 - p)^gamma of the cross-entropy."""

    kind: Literal["focal"]
    gamma: Annotated[float, Field(gt=0, le=10)] = 2.0


class Augment(Part):
    """Variants of the training inputs; each epoch takes one of each at random, tests take the original.

    `mirror`: the face seen in a mirror, too. `shifts`: so many small shifts, each of up to `pixels` of the input's
    sides, drawn from the contract's seed.
    """

    mirror: bool = False
    shifts: Annotated[int, Field(ge=0, le=16)] = 0
    pixels: Annotated[int, Field(ge=1, le=8)] = 3

    @model_validator(mode="after")
    def _does_something(self) -> Augment:
        if not self.mirror and not self.shifts:
            raise ValueError("augment does nothing: set mirror: true or shifts, or leave it out")
        return self


def _loss_by_name(value: object) -> object:
    """`loss: focal` is short for `loss: {kind: focal}`."""
    return {"kind": value} if isinstance(value, str) else value


def _augment_by_name(value: object) -> object:
    """`augment: mirror` is short for `augment: {mirror: true}`."""
    if value in ("none", None):
        return None
    return {"mirror": True} if value == "mirror" else value


MANY = 100_000
"""Rounds where hours end the run."""


class Until(Part):
    """What ends the run beside `rounds`: so many hours of training, by each peer's own clock, from the common start; or
    so many rounds of all peers together, as far as each knows of them."""

    hours: Annotated[float, Field(gt=0, le=24 * 365, allow_inf_nan=False)] | None = None
    # What came later is left out of every dump while it is the default.
    work: Annotated[int, Field(ge=1, le=2**31)] | None = Field(default=None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _says_something(self) -> Until:
        if self.hours is None and self.work is None:
            raise ValueError("until says nothing: name hours or work, or leave it out")
        return self


class Training(Part):
    """Local training between two exchanges with Adam, whose moments start anew each round.

    `few_shot`: so many training clips of each class a peer, drawn from the contract's seed; the others are left out.
    """

    rounds: PositiveInt = 20
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    local_epochs: PositiveInt = 5
    batch_size: PositiveInt = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    class_weights: Literal["none", "balanced"] = "none"
    loss: Annotated[Annotated[CrossEntropy | Focal, Field(discriminator="kind")], BeforeValidator(_loss_by_name)] = (
        CrossEntropy()
    )
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    augment: Annotated[Augment | None, BeforeValidator(_augment_by_name)] = None
    few_shot: PositiveInt | None = None
    # What came later is left out of every dump while it is the default.
    until: Until | None = Field(default=None, exclude_if=lambda value: value is None)

    @model_validator(mode="before")
    @classmethod
    def _rounds_of_until(cls, given: Any) -> Any:
        """`until: {rounds: 200}` is another place for `rounds`; where hours end the run, rounds need no number."""
        until = given.get("until") if isinstance(given, Mapping) else None
        if not isinstance(until, Mapping):
            return given
        if "rounds" in until and "rounds" in given:
            raise Conflict("the number of rounds stands here twice", "leave training.until.rounds out")
        rounds = given.get("rounds", until.get("rounds", MANY if "hours" in until else None))
        if "work" in until and "hours" not in until and "rounds" not in given and "rounds" not in until:
            raise Conflict(
                "training.until.work needs an end for whoever cannot see that the work is done",
                "name hours beside it, or training.rounds",
            )
        rest = {key: value for key, value in until.items() if key != "rounds"}
        named = {} if rounds is None else {"rounds": rounds}
        return {**given, **named, "until": rest or None}

    def steps(self, clips: int) -> int:
        """Of the optimizer in a round over so many clips: the last batch of an epoch may be smaller."""
        return self.local_epochs * math.ceil(clips / self.batch_size)

    @property
    def seconds(self) -> float | None:
        """How long to train, if time ends the run."""
        return 3600 * self.until.hours if self.until and self.until.hours else None

    @property
    def work(self) -> int | None:
        """How many rounds all peers train together, if that ends the run."""
        return self.until.work if self.until else None

    @model_validator(mode="after")
    def _smoothing_goes_with_cross_entropy(self) -> Training:
        if self.label_smoothing and isinstance(self.loss, Focal):
            raise ValueError("label_smoothing goes with loss: cross_entropy; focal loss softens in its own way")
        return self

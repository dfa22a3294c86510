"""The section `training`: what happens between two exchanges."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from p2pfl_me.contract.part import Part, PositiveInt


class Training(Part):
    """Local training between two exchanges: Adam (moments start anew each round) and cross-entropy."""

    rounds: PositiveInt = 20
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    local_epochs: PositiveInt = 5
    batch_size: PositiveInt = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    class_weights: Literal["none", "balanced"] = "none"

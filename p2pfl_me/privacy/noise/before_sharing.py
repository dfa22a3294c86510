"""Noise before sharing (NbAFL: Wei et al., IEEE TIFS 2020), with K peers drawn at random for each round."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from p2pfl_me.choice import PositiveInt
from p2pfl_me.privacy.dp_sgd import Multiplier
from p2pfl_me.privacy.noising import SharedNoise


class BeforeSharing(SharedNoise):
    """What a round's training changed is cut to `norm`, and Gaussian noise is laid over it.

    `noise`: standard deviation in multiples of the sensitivity, 2 `norm`; left out, the least with which the budget
    lasts. `drawn`: so many peers train in a round, drawn from the contract's seed; the others pass on what they mixed.
    """

    kind: Literal["before_sharing"] = "before_sharing"
    norm: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    noise: Multiplier | None = None
    drawn: PositiveInt | None = None

"""DP-SGD as a contract asks for it (Abadi et al., CCS 2016). How it is trained is `learning`'s."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from p2pfl_me.choice import Part

Multiplier = Annotated[float, Field(gt=0, le=1e6)]


class DpSgd(Part):
    """Every step's gradient is a sum over units drawn at random, each cut to `norm`, with Gaussian noise on top.

    `unit`: whose presence is hidden, one clip's or one subject's. `norm`: the largest Euclidean norm of what a unit
    adds to a step. `noise`: standard deviation of the noise in multiples of that norm; left out, each peer takes the
    least with which its budget lasts for all rounds of the contract.
    """

    kind: Literal["dp_sgd"] = "dp_sgd"
    unit: Literal["clip", "subject"] = "clip"
    norm: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    noise: Multiplier | None = None

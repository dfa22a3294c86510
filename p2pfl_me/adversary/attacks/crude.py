"""Lies that need no knowledge of the others: a broken lab sends as much."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from p2pfl_me.adversary.attack import Attack, View
from p2pfl_me.message import Vector


class SignFlip(Attack):
    """The own model with all signs turned."""

    kind: Literal["sign_flip"] = "sign_flip"

    def instead(self, view: View) -> Vector:
        return -view.own


class Zero(Attack):
    """A model of zeros."""

    kind: Literal["zero"] = "zero"

    def instead(self, view: View) -> Vector:
        return np.zeros_like(view.own)


class Scale(Attack):
    """The own model, `factor` times."""

    kind: Literal["scale"] = "scale"
    factor: Annotated[float, Field(allow_inf_nan=False)] = 1000.0

    def instead(self, view: View) -> Vector:
        return np.float32(self.factor) * view.own


class Noise(Attack):
    """The own model and Gaussian noise of `times` its norm, another to each neighbour."""

    kind: Literal["noise"] = "noise"
    times: Annotated[float, Field(gt=0)] = 10.0

    def instead(self, view: View) -> Vector:
        deviation = self.times * float(np.linalg.norm(view.own)) / np.sqrt(view.own.size)
        noise = view.random.standard_normal(view.own.size, dtype=np.float32)
        return view.own + np.float32(deviation) * noise

"""How much of its people's privacy a lab is ready to spend in one run, and whose privacy that is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from p2pfl_me.choice import Part


class Unit(StrEnum):
    """What may be there or not without anybody being able to tell: the unit of a guarantee.

    Whatever protects a subject protects each of its clips, and whatever protects a lab's whole data protects both.
    """

    CLIP = "clip"
    SUBJECT = "subject"
    LAB = "lab"


class Budget(Part):
    """(epsilon, delta) for all that a peer sends in a run, in all its lives.

    Whoever sees every message of it tells two data sets that differ in one unit apart with odds of at most e^epsilon,
    but for a chance of delta (Dwork and Roth 2014, definition 2.4). What a unit is, the mechanism says.
    """

    epsilon: Annotated[float, Field(gt=0, le=1000)]
    delta: Annotated[float, Field(gt=0, lt=0.01)] = 1e-5

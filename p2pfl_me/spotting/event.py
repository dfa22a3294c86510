"""What the spotter says of a peak in the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from p2pfl_me.spotting.interval import Interval
from p2pfl_me.spotting.regions import Group


class Verdict(StrEnum):
    """An expression, or what else moved so much."""

    EXPRESSION = "expression"
    BLINK = "blink"
    TURN = "head turn"


@dataclass(frozen=True, slots=True)
class Event:
    """Its interval, its apex in seconds, where in the face, and the evidence in doublings of the neutral motion."""

    verdict: Verdict
    interval: Interval
    apex_s: float
    group: Group
    doublings: float

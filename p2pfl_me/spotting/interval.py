"""A stretch of time in which an expression was shown, and how two such stretches overlap."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MICRO_LIMIT_S = 0.5
"""A micro-expression lasts at most half a second."""


class Kind(StrEnum):
    """Micro-expressions last at most half a second, macro-expressions longer."""

    MICRO = "micro"
    MACRO = "macro"


@dataclass(frozen=True, slots=True)
class Interval:
    """From onset to offset in seconds on the film's or the camera's clock."""

    onset_s: float
    offset_s: float
    kind: Kind
    label: str = ""

    @property
    def seconds(self) -> float:
        return self.offset_s - self.onset_s


def overlap(one: Interval, other: Interval) -> float:
    """Intersection over union, 0 to 1; two intervals without length overlap in nothing."""
    union = max(one.offset_s, other.offset_s) - min(one.onset_s, other.onset_s)
    shared = min(one.offset_s, other.offset_s) - max(one.onset_s, other.onset_s)
    return max(0.0, shared) / union if union > 0 else 0.0

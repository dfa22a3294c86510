"""The emotion index: which way a person's named micro-expressions leaned of late.

(P - N) / (P + N) over the last minute, where P of them were named with a positive class and N with a negative one;
from -1 to 1, and unknown below three. Surprise, others, abstentions and macro-expressions count for neither. It is the
running share of what was spotted and named, errors included: no measure of mood, health, intent or truthfulness.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

WINDOW_S = 60.0
LEAST = 3


class Valence(Enum):
    POSITIVE = 1
    NEGATIVE = -1
    NEITHER = 0


VALENCE = {
    "positive": Valence.POSITIVE,
    "happiness": Valence.POSITIVE,
    "happy": Valence.POSITIVE,
    "negative": Valence.NEGATIVE,
    "anger": Valence.NEGATIVE,
    "contempt": Valence.NEGATIVE,
    "disgust": Valence.NEGATIVE,
    "fear": Valence.NEGATIVE,
    "repression": Valence.NEGATIVE,
    "sadness": Valence.NEGATIVE,
    "sad": Valence.NEGATIVE,
}
"""As the MEGC 2019 label map sorts them; every other class is neither."""


class EmotionIndex:
    """One person's index over time."""

    def __init__(self) -> None:
        self._named: deque[tuple[float, Valence]] = deque()

    def add(self, apex_s: float, label: str) -> None:
        """A micro-expression was named."""
        valence = VALENCE.get(label.lower(), Valence.NEITHER)
        if valence is not Valence.NEITHER:
            self._named.append((apex_s, valence))

    def at(self, time_s: float) -> float | None:
        """The index at a time not before the last one asked for; None while fewer than three expressions count."""
        while self._named and self._named[0][0] < time_s - WINDOW_S:
            self._named.popleft()
        if len(self._named) < LEAST:
            return None
        return sum(valence.value for _, valence in self._named) / len(self._named)

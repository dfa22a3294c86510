"""What a neighbour's bad frames cost it: a score that decays, and quarantine when it grows too high."""

from __future__ import annotations

import math

HALF_LIFE_S = 120.0
LIMIT = 5.0


class MisbehaviourScores:
    """Counts refused frames per neighbour with a half-life of two minutes.

    A link that flips a bit now and then is forgiven; a neighbour that keeps sending what must be refused is not.
    """

    def __init__(self) -> None:
        self._scores: dict[int, tuple[float, float]] = {}

    def refused(self, now: float, peer: int) -> bool:
        """Note one refused frame of `peer` at `now` (seconds); True when it has earned its quarantine."""
        score = self.score(now, peer) + 1.0
        self._scores[peer] = (now, score)
        return score >= LIMIT

    def score(self, now: float, peer: int) -> float:
        """The decayed count at `now`."""
        at, score = self._scores.get(peer, (now, 0.0))
        return score * math.exp2(-(now - at) / HALF_LIFE_S)

"""Where evidence becomes an event: mean + p (max - mean), over a whole film or over what was seen lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol


class Threshold(Protocol):
    """Sees every sample's evidence once, in order, and says what an event needs at that moment."""

    def push(self, doublings: float) -> float: ...


def film_threshold(evidence: Sequence[float], p: float, least: float) -> float:
    """The threshold of a film that has been seen to its end."""
    if not evidence:
        return least
    mean = sum(evidence) / len(evidence)
    return max(least, mean + p * (max(evidence) - mean))


class Fixed:
    """The same threshold throughout."""

    def __init__(self, value: float) -> None:
        self._value = value

    def push(self, doublings: float) -> float:
        return self._value


class Running:
    """Mean and maximum of the last `memory` samples: the threshold of a film whose end is not waited for."""

    def __init__(self, p: float, least: float, memory: int) -> None:
        self._p, self._least, self._memory = p, least, memory
        self._seen: deque[float] = deque()
        self._tops: deque[tuple[int, float]] = deque()
        """Candidates for the maximum, falling, with the sample they came with."""
        self._sum, self._count = 0.0, 0

    def push(self, doublings: float) -> float:
        self._seen.append(doublings)
        self._sum += doublings
        while self._tops and self._tops[-1][1] <= doublings:
            self._tops.pop()
        self._tops.append((self._count, doublings))
        self._count += 1
        if len(self._seen) > self._memory:
            self._sum -= self._seen.popleft()
        if self._tops[0][0] < self._count - self._memory:
            self._tops.popleft()
        mean = self._sum / len(self._seen)
        return max(self._least, mean + self._p * (self._tops[0][1] - mean))

"""A clock that jumps from one event to the next."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable


class Clock:
    """Events in the order of their time, those of one instant in the order in which they were set."""

    def __init__(self) -> None:
        self.now = 0.0
        """Seconds since the simulation began."""
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call once `when` has come; what lies in the past comes next."""
        heapq.heappush(self._queue, (max(when, self.now), next(self._order), call))

    def run(self, until: float) -> bool:
        """Run the events up to `until` seconds; False if later ones are left."""
        while self._queue:
            when, _, call = self._queue[0]
            if when > until:
                return False
            heapq.heappop(self._queue)
            self.now = when
            call()
        return True

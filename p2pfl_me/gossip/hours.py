"""Time as a budget (`training.until.hours`): how long this peer goes on, by its own clock. Pure; no clock is compared.

What is said to others is seconds from now. A peer that comes late, or back, ends when the others do: it takes their
word for what is left, the longest of them, and never more than the contract's whole. The word of more than half of
those that are there, as of the round to join in (`catch_up`): a single one could end whom it likes before its first.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from p2pfl_me.gossip.protocol import NOTHING, Memory

SPENT = "until.seconds"
"""In the checkpoint: the seconds behind it."""


class Hours:
    """The budget of one life. `whole_s` None: there is none, and nothing is ever over."""

    def __init__(self, whole_s: float | None, memory: Memory) -> None:
        self._whole_s = whole_s
        self._spent = float(memory[SPENT][0]) if SPENT in memory else 0.0
        self._ends_at: float | None = None
        self._latest = 0.0

    def begin(self, now: float, said: Collection[float], there: int) -> None:
        """Training begins; `said`: until when neighbours go on, of those that have said so, on this peer's clock, of
        so many that are there."""
        if self._whole_s is None:
            return
        self._latest = now + self._whole_s
        self._ends_at = self._latest - self._spent
        self.hear(said, there)

    def hear(self, said: Collection[float], there: int) -> None:
        """More of those who were there then have said until when they go on."""
        if self._ends_at is not None and said and 2 * len(said) > there:
            self._ends_at = min(max(said), self._latest)

    def over(self, now: float) -> bool:
        """Whether no other round should begin."""
        return self._ends_at is not None and now >= self._ends_at

    def rest_ms(self, now: float) -> int | None:
        """Milliseconds that are left, for a neighbour on a fresh link; None before the beginning, or without hours."""
        return None if self._ends_at is None else round(1000 * min(max(0.0, self._ends_at - now), 2e6))

    def memory(self, now: float) -> Memory:
        """What must be found again after a restart."""
        if self._ends_at is None or self._whole_s is None:
            return NOTHING
        return {SPENT: np.array([self._whole_s - max(0.0, self._ends_at - now)])}

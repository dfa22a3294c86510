"""Token buckets: how much of something anyone outside may cause, at once and a second. The caller has the clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """`burst` at once, `rate` a second after that. It begins full; times are seconds of a monotonic clock."""

    rate: float
    burst: float
    _spent: float = 0.0
    _at: float = 0.0

    def take(self, now: float, amount: float = 1.0) -> bool:
        """Spend `amount` if it is there."""
        self._refill(now)
        if self._spent + amount > self.burst:
            return False
        self._spent += amount
        return True

    def charge(self, now: float, amount: float = 1.0) -> float:
        """Spend `amount` in any case; for how many seconds nothing more should be taken."""
        self._refill(now)
        self._spent += amount
        return max(0.0, self._spent - self.burst) / self.rate

    def _refill(self, now: float) -> None:
        self._spent = max(0.0, self._spent - max(0.0, now - self._at) * self.rate)
        self._at = now

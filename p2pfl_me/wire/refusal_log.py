"""How much anybody outside may fill of the log: whoever reaches the port must not fill the disk."""

from __future__ import annotations

from p2pfl_me.wire.budget import Bucket

BURST = 10.0
REFILL_S = 6.0
"""Ten lines at once, then one every six seconds."""


class RefusalLog:
    """Admits lines about refusals, and counts those it swallows."""

    def __init__(self) -> None:
        self._bucket, self._swallowed = Bucket(1 / REFILL_S, BURST), 0

    def line(self, now: float, reason: str) -> str | None:
        """The line to log at `now` (seconds, monotonic), or None when there were too many lately."""
        if not self._bucket.take(now):
            self._swallowed += 1
            return None
        swallowed, self._swallowed = self._swallowed, 0
        return f"{reason} (and {swallowed} more refused since the last line)" if swallowed else reason

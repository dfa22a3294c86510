"""How much a stranger may fill of the log: a pure bucket, so that anyone who reaches the port cannot fill the disk."""

from __future__ import annotations

BURST = 10.0
REFILL_S = 6.0
"""Ten lines at once, then one every six seconds."""


class RefusalLog:
    """Admits refusals of frames that belong to no link, and counts those it swallows."""

    def __init__(self) -> None:
        self._tokens, self._at, self._swallowed = BURST, 0.0, 0

    def line(self, now: float, reason: str) -> str | None:
        """The line to log at `now` (seconds, monotonic), or None when there were too many lately."""
        self._tokens = min(BURST, self._tokens + (now - self._at) / REFILL_S)
        self._at = now
        if self._tokens < 1:
            self._swallowed += 1
            return None
        self._tokens -= 1
        swallowed, self._swallowed = self._swallowed, 0
        return f"{reason} (and {swallowed} more refused since the last line)" if swallowed else reason

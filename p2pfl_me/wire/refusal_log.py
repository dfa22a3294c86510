"""How much anybody outside may fill of the log: whoever reaches the port must not fill the disk."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pfl_me.wire.budget import Bucket

BURST = 10.0
REFILL_S = 6.0
"""Ten lines at once, then one every six seconds."""
AGAIN_S, MOST_AGAIN_S = 60.0, 3600.0
"""After how long what is still so is said again: twice as long each time, an hour at most."""
REMEMBERED = 8
"""Lines that are known again when they repeat."""


@dataclass(slots=True)
class Repeats:
    """What has been said: when it will be again, and how long after that. Whoever looks later finds it, too."""

    _said: dict[str, tuple[float, float]] = field(default_factory=dict)

    def due(self, now: float, words: str) -> bool:
        """Whether these words are to be said at `now` (seconds, monotonic)."""
        again_at, again_s = self._said.pop(words, (now, AGAIN_S))
        is_due = now >= again_at
        self._said[words] = (now + again_s, min(2 * again_s, MOST_AGAIN_S)) if is_due else (again_at, again_s)
        while len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]
        return is_due

    def forget(self) -> None:
        """What was so has ended."""
        self._said.clear()


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


class StrangersLog(RefusalLog):
    """The same of strangers, who may call for as long as they like: what repeats is said ever more rarely, and leaves
    room for what is new."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def line(self, now: float, reason: str) -> str | None:
        """As above; None, too, where the same has been said a while ago."""
        if self._repeats.due(now, reason):
            return super().line(now, reason)
        self._swallowed += 1
        return None

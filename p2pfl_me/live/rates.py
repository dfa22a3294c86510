"""How fast a camera truly is, by its time stamps."""

from __future__ import annotations

from collections import deque

WINDOW_S = 2.0
WANTED_FPS = 60.0
"""Below this rate the page warns: most training data was taken at 100 to 200 pictures a second."""

LEAST_FPS = 15.0
"""Pictures a second below which gaps are too long to spot anything."""


class RateMeter:
    """Counts of pictures against their time stamps over the last two seconds.

    The camera counts every picture that it took (`taken`), also those that never came.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self.received = 0
        self._first: int | None = None
        self._taken = 0
        self._gap_s: float | None = None
        """Between the last two that were new."""

    def push(self, time_s: float, taken: int, *, new: bool = True) -> None:
        """A picture came; `taken` is the number that the camera gave it. One that is the one before once more (not
        `new`) shows nobody anything: ten pictures a second, each three times, are ten."""
        self.received += 1
        self._first = taken if self._first is None else self._first
        self._taken = taken
        if not new:
            return
        self._gap_s = time_s - self._seen[-1][0] if self._seen else None
        self._seen.append((time_s, taken))
        while self._seen[0][0] < time_s - WINDOW_S:
            self._seen.popleft()

    @property
    def camera_fps(self) -> float | None:
        """Pictures a second that the camera takes; None before half a second has passed."""
        return self._rate(self._seen[-1][1] - self._seen[0][1]) if self._seen else None

    @property
    def watched_fps(self) -> float | None:
        """Pictures a second that are watched."""
        return self._rate(len(self._seen) - 1) if self._seen else None

    @property
    def slow(self) -> bool:
        """Whether too few pictures come to spot anything; by the last two before there is a rate."""
        if (rate := self.watched_fps) is not None:
            return rate < LEAST_FPS
        return self._gap_s is not None and self._gap_s > 1 / LEAST_FPS

    @property
    def dropped(self) -> int:
        """Pictures that the camera took and nobody watched."""
        return 0 if self._first is None else max(0, self._taken - self._first + 1 - self.received)

    def _rate(self, count: int) -> float | None:
        seconds = self._seen[-1][0] - self._seen[0][0]
        return count / seconds if seconds >= 0.5 else None

"""How much of a model may be on its way at a time, and in what pieces: so much that the line is full, and no more.

Whatever lies in buffers between two peers delays a ping by as long as the line takes to carry it, and nobody can look
into all of them (kernels, modems, a relay). So the receiver acknowledges every piece, and the sender learns from how
long that takes: it doubles what it has under way while acknowledgements come as fast as the fastest did, and halves it
once they lag by more than `LAG_S`. That is the idea of delay-based congestion control (Brakmo, Peterson 1995), above
TCP, which goes on to look after loss and fairness. Pure; the caller has the clock.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from p2pfl_me.errors import WireError
from p2pfl_me.wire.records import PAYLOAD

LAG_S = 0.5
"""Delay behind the fastest acknowledgement at which less is put under way; below half of it, more."""
LEAST_WINDOW, MOST_WINDOW = 1 << 12, 1 << 25
"""Bytes under way: a line of 64 kbit/s carries 4 KiB in half a second; 32 MiB fill 1 Gbit/s over 250 ms."""
LEAST_PIECE = 1 << 10
PIECES = 4
"""Pieces that a window is cut into, so that acknowledgements come while others are on their way."""


@dataclass(slots=True)
class Pace:
    """The pace of one direction of one link. Sizes are bytes of models; times are seconds of a monotonic clock."""

    window: int = LEAST_WINDOW
    sent: int = 0
    acknowledged: int = 0
    _fastest_s: float = math.inf
    _shrunk_at: int = 0
    _under_way: deque[tuple[int, float]] = field(default_factory=deque)

    @property
    def piece(self) -> int:
        """The size of the next piece that may be sent, 0 while enough is under way. Whole float32 values."""
        size = min(max(self.window // PIECES, LEAST_PIECE), PAYLOAD) & ~3
        under_way = self.sent - self.acknowledged
        return size if not under_way or under_way + size <= self.window else 0

    def on_sent(self, now: float, size: int) -> None:
        """A piece has left."""
        self.sent += size
        self._under_way.append((self.sent, now))

    def on_acknowledged(self, now: float, total: int) -> None:
        """The other end has received `total` bytes of pieces since the link came up.

        Raises
        ------
        WireError
            It cannot have.
        """
        if not self.acknowledged <= total <= self.sent:
            raise WireError(f"{total} bytes acknowledged, of {self.acknowledged} to {self.sent} that can be")
        was_full = 2 * (self.sent - self.acknowledged) >= self.window
        newly, self.acknowledged = total - self.acknowledged, total
        delay = None
        while self._under_way and self._under_way[0][0] <= total:
            delay = now - self._under_way.popleft()[1]
        if delay is None:
            return
        self._fastest_s = min(self._fastest_s, delay)
        lag = delay - self._fastest_s
        if lag > LAG_S and total > self._shrunk_at:
            self.window = max(LEAST_WINDOW, int(self.window * LAG_S / (2 * lag)))
            self._shrunk_at = self.sent  # what is under way already says nothing about the smaller window
        elif lag < LAG_S / 2 and was_full:
            self.window = min(MOST_WINDOW, self.window + newly)

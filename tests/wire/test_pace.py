"""The pace of a link against a simulated line: full speed where it is fast, and a ping never waits long."""

from __future__ import annotations

import heapq

import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.wire.pace import LEAST_WINDOW, MOST_WINDOW, Pace


def carry(pace: Pace, total: int, rate: float, delay_s: float, begin_s: float = 0.0) -> tuple[float, float]:
    """Carry `total` bytes over a line of `rate` bytes a second and `delay_s` each way, behind a buffer without end.

    Returns the seconds it took, and the longest that a ping would have waited in the buffer in the second half of it.
    """
    now = free_at = begin_s
    sent, worst = 0, 0.0
    arrivals: list[tuple[float, int]] = []
    while sent < total or arrivals:
        while sent < total and (piece := min(pace.piece, total - sent)):
            pace.on_sent(now, piece)
            sent += piece
            free_at = max(free_at, now) + piece / rate
            heapq.heappush(arrivals, (free_at + 2 * delay_s, pace.sent))
            if 2 * sent > total:
                worst = max(worst, free_at - now)
        now, acknowledged = heapq.heappop(arrivals)
        pace.on_acknowledged(now, acknowledged)
    return now - begin_s, worst


@pytest.mark.parametrize("rate", [8e3, 50e3, 125e3, 1.25e6, 12.5e6, 125e6])
@pytest.mark.parametrize("delay_s", [0.0, 0.01, 0.1])
def test_a_line_is_filled_and_a_ping_passes_within_a_second(rate: float, delay_s: float) -> None:
    total = int(max(60 * rate, 1e6))
    seconds, worst = carry(Pace(), total, rate, delay_s)
    assert worst < 1.0
    assert seconds < 1.1 * total / rate + 20 * delay_s, "a window that doubles with every answer"


def test_a_line_that_becomes_slow_is_found_out() -> None:
    pace = Pace()
    carry(pace, 400_000_000, 125e6, 0.001)
    assert pace.window > 1 << 22
    _, worst = carry(pace, 600 * 125_000, 125e3, 0.001, begin_s=100.0)
    assert worst < 1.0


def test_the_window_keeps_its_bounds() -> None:
    pace = Pace()
    carry(pace, 3_000_000_000, 1e10, 0.01)
    assert pace.window == MOST_WINDOW
    pace = Pace()
    for second in range(100):  # each piece takes longer than the one before
        size = pace.piece
        pace.on_sent(float(second * second), size)
        pace.on_acknowledged(float(second * second + second), pace.sent)
    assert pace.window == LEAST_WINDOW and pace.piece > 0, "something is always let through"


def test_what_was_not_sent_cannot_be_acknowledged() -> None:
    pace = Pace()
    pace.on_sent(0.0, 1000)
    pace.on_acknowledged(0.1, 600)
    for total in (599, 1001, 2**63):
        with pytest.raises(WireError, match="acknowledged"):
            pace.on_acknowledged(0.2, total)

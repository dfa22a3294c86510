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


def after(window: int, *steps: tuple[str, float, int]) -> Pace:
    """A pace with this window after sendings and acknowledgements of so many bytes in all."""
    pace = Pace(window=window)
    for what, now, size in steps:
        (pace.on_sent if what == "sent" else pace.on_acknowledged)(now, size)
    return pace


FASTEST = (("sent", 0.0, 100), ("told", 0.1, 100))
"""A tenth of a second there and back."""


@pytest.mark.parametrize(
    ("steps", "window"),
    [
        ((*FASTEST, ("sent", 1.0, 32_000), ("told", 1.125, 32_100)), 96_000),  # as fast, and half of it under way
        ((*FASTEST, ("sent", 1.0, 31_999), ("told", 1.125, 32_099)), 64_000),  # less than half was under way
        ((*FASTEST, ("sent", 1.0, 32_000), ("told", 1.3125, 32_100)), 96_000),  # a lag of 0.2125 s
        ((*FASTEST, ("sent", 1.0, 32_000), ("told", 1.375, 32_100)), 64_000),  # of 0.275 s: neither more nor less
        ((*FASTEST, ("sent", 1.0, 32_000), ("told", 1.5, 32_100)), 64_000),
        ((*FASTEST, ("sent", 1.0, 32_000), ("told", 2.1, 32_100)), 16_000),  # of 1 s
        ((*FASTEST, ("sent", 1.0, 32_000), ("told", 11.1, 32_100)), LEAST_WINDOW),  # of 10 s: never less
        # What was under way when it shrank says nothing any more.
        (
            (*FASTEST, ("sent", 1.0, 16_000), ("sent", 1.0, 16_000), ("told", 2.1, 16_100), ("told", 2.6, 32_100)),
            16_000,
        ),
        ((*FASTEST, ("sent", 1.0, 32_000), ("told", 1.05, 16_000)), 64_000),  # no piece is whole
    ],
)
def test_the_window_follows_the_lag_by_the_formula(steps: tuple[tuple[str, float, int], ...], window: int) -> None:
    assert after(64_000, *steps).window == window


def test_a_piece_is_a_quarter_of_the_window_in_whole_values_and_waits_where_none_fits() -> None:
    assert [Pace(window=window).piece for window in (4096, 4098, 16_003, 1 << 25)] == [1024, 1024, 4000, 1 << 21]
    pace = Pace(window=4096)
    for _ in range(4):
        assert pace.piece == 1024
        pace.on_sent(0.0, 1024)
    assert pace.piece == 0
    pace.on_acknowledged(0.1, 1024)
    assert (pace.window, pace.piece) == (5120, 1280)

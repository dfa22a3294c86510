"""How long to wait for the neighbours' models: a pure function of how long they took before."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def deadline(offsets: Sequence[float], *, min_s: float, max_s: float, mads: float) -> float:
    """Seconds to wait after one's own training has ended.

    Parameters
    ----------
    offsets:
        Seconds from the end of one's own training to the arrival of a neighbour's model, in past rounds; 0 for
        one that was there already.
    min_s, max_s:
        The answer stays within these; without history it is `max_s`, because nothing is known yet.
    mads:
        How many median absolute deviations above the median still count as on time.

    Notes
    -----
    Median and MAD, so that one stalled round among many doesn't stretch every later one. A neighbour that is
    always slow raises the median of its arrivals and so is waited for.
    """
    if not offsets:
        return max_s
    middle = median(offsets)
    spread = median(abs(offset - middle) for offset in offsets)
    return min(max(middle + mads * spread, min_s), max_s)


def longest_s(min_s: float, max_s: float) -> float:
    """The longest wait for a neighbour's model: what `max_s` leaves once the reply to a last question, and those who
    wait for whoever waits, have had their time."""
    return max(min_s, max_s - settling_s(min_s, max_s) - min_s)


def settling_s(min_s: float, max_s: float) -> float:
    """Seconds that are left, of the longest wait, for the reply to "was my offer answered?"."""
    return min(min_s, max_s / 4)

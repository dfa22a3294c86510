"""Whether a neighbour is worth waiting for: what came in time, and what did not, as one number. Pure.

A word costs its sender nothing, so no word makes good what was waited for in vain. Only what comes does, and half as
much. Once deadlines have passed too often nobody waits until a number of rounds have come in time: whatever share
of its messages a neighbour withholds, in the long run it holds the others up to a deadline in one round of six at most
(`tests/gossip/test_misses.py`). Nobody is given up for good: what comes all the same, in time, is taken and counts.
"""

from __future__ import annotations

MISS = 2
"""What a deadline that passed counts, in rounds that came in time."""
PATIENCE = 4
"""As much as two deadlines that passed in a row."""
SPENT = 8
"""Where the count stands once patience is at its end: five rounds in time, and it is waited for again."""
NOT_AWAITED = "not waited for, after deadlines that passed"
"""Why such a neighbour has no part in a round."""
NEEDS_MORE = "needs more than the longest deadline, by its own word"
"""Why another one has none."""


def missed(misses: int) -> int:
    """A deadline has passed without what was waited for."""
    return misses + MISS if is_awaited(misses + MISS) else SPENT


def came(misses: int) -> int:
    """A round's part was there in time, or would have been for who had waited."""
    return max(misses - 1, 0)


def is_awaited(misses: int) -> bool:
    """Whether to wait for such a neighbour."""
    return misses < PATIENCE

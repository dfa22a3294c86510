"""How long a neighbour is waited for: the formula by hand, and what one's own clock teaches of each neighbour."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.gossip.deadline import deadline, settling_s
from p2pfl_me.gossip.edge import Edge
from p2pfl_me.gossip.misses import missed
from p2pfl_me.gossip.pace import Pace
from p2pfl_me.gossip.settings import REMEMBERED_ARRIVALS, Settings
from p2pfl_me.gossip.stop import StopRule

SETTINGS = Settings(StopRule(9), deadline_min_s=2.0, deadline_max_s=40.0, deadline_mads=6.0, join_timeout_s=60.0)


@pytest.mark.parametrize(
    ("offsets", "mads", "wait"),
    [
        ([], 6.0, 40.0),
        ([0.0, 0.0, 0.0], 6.0, 2.0),
        ([3.0], 6.0, 3.0),
        ([1.0, 2.0, 3.0, 4.0, 100.0], 2.0, 3.0 + 2 * 1.0),
        ([1.0, 2.0, 3.0, 4.0, 100.0], 6.0, 3.0 + 6 * 1.0),
        ([10.0, 20.0], 2.0, 15.0 + 2 * 5.0),
        ([10.0, 20.0], 6.0, 40.0),
        ([39.0, 39.0, 50.0], 1.0, 39.0),
    ],
)
def test_median_and_deviations_within_the_bounds(offsets: list[float], mads: float, wait: float) -> None:
    assert deadline(offsets, min_s=2.0, max_s=40.0, mads=mads) == wait


@given(st.lists(st.floats(0, 100), min_size=1, max_size=9), st.floats(0, 9))
def test_who_is_slower_is_waited_for_longer_and_one_stall_changes_little(offsets: list[float], mads: float) -> None:
    wait = deadline(offsets, min_s=1.0, max_s=1e9, mads=mads)
    assert deadline([each + 7 for each in offsets], min_s=1.0, max_s=1e9, mads=mads) >= wait
    most = max(deadline([*offsets, stall], min_s=1.0, max_s=1e9, mads=mads) for stall in (1e6, 1e7))
    if len(offsets) > 1:
        assert most <= 100 * (1 + mads)


@pytest.mark.parametrize(("least", "most", "left"), [(2.0, 40.0, 2.0), (15.0, 40.0, 10.0), (10.0, 40.0, 10.0)])
def test_a_reply_to_the_question_is_waited_for_a_quarter_of_the_longest_wait_at_most(
    least: float, most: float, left: float
) -> None:
    assert settling_s(least, most) == left


def test_arrivals_count_from_the_end_of_ones_own_training_late_ones_too() -> None:
    pace, slow, fast, new = Pace(SETTINGS), Edge(), Edge(), Edge()
    assert pace.wait_s(new) == 40.0 - 2.0 - 2.0, "nothing is known yet; the rest is for replies, and for who waits"
    for round in range(3):
        pace.trained(round, 100.0 * round)
        pace.arrived(fast, round, 100.0 * round + 3.0, in_time=True)
        pace.arrived(slow, round, 100.0 * round + 30.0, in_time=True)
    pace.arrived(slow, 9, 1e6, in_time=False)  # of a round whose end this peer has not seen
    assert list(fast.arrivals) == [3.0] * 3 and list(slow.arrivals) == [30.0] * 3
    assert pace.wait_s(fast) == 3.0 and pace.wait_s(slow) == 30.0
    assert pace.wait_s(new) == 36.0, "of who is new all others tell: 16.5 and six times 13.5, which is more"


def test_the_last_thirty_two_count() -> None:
    assert REMEMBERED_ARRIVALS == 32
    pace, edge, waits = Pace(SETTINGS), Edge(), []
    for round in range(48):
        pace.trained(round, 0.0)
        pace.arrived(edge, round, 5.0 if round < 32 else 9.0, in_time=True)
        waits.append(pace.wait_s(edge))
    assert set(waits[:47]) == {5.0} and waits[47] == 7.0 + 6 * 2.0, "half of those that count are the new ones"
    for round, taught in ((15, []), (16, [0.0])):
        late = Edge()
        pace.arrived(late, round, 0.0, in_time=True)
        assert list(late.arrivals) == taught, "a round so long ago teaches nothing"


def test_a_model_that_is_told_again_makes_no_deadline_good_and_stretches_none() -> None:
    """A liar that withholds its model to the deadline could tell it twenty times then, and be waited for again."""
    pace, edge = Pace(SETTINGS), Edge()
    for round in range(8):
        pace.trained(round, 100.0 * round)
        pace.arrived(edge, round, 100.0 * round, in_time=True)
    edge.misses = missed(missed(0))
    pace.trained(8, 800.0)
    for _ in range(REMEMBERED_ARRIVALS):
        pace.arrived(edge, 8, 803.0, in_time=False)
        pace.arrived(edge, 7, 803.0, in_time=False)
    assert edge.misses == missed(missed(0)) and pace.wait_s(edge) == SETTINGS.deadline_min_s

"""Who is relied on for a sum: of one that spoils all of them few are lost, whoever it is and whatever the number."""

from __future__ import annotations

import pytest

from p2pfl_me.gossip.doubts import NO_PLEDGE, SPOILT, Doubts


def lost(doubts: Doubts, peers: int, liars: set[int], rounds: int, least: int = 3) -> list[int]:
    """The rounds in which a roster held a liar, each spoiling every sum it is in."""
    found = []
    for round in range(rounds):
        roster = {peer for peer in range(peers) if peer not in doubts.at(round)}
        if len(roster) < least:
            roster = set(range(peers))
        if roster & liars:
            found.append(round)
            doubts.spoilt(roster, round)
        else:
            doubts.sound(roster, round)
    return found


@pytest.mark.parametrize("peers", [4, 5, 8])
def test_of_one_that_spoils_every_sum_few_are_lost_whoever_it_is(peers: int) -> None:
    for liar in range(peers):
        rounds = lost(Doubts(), peers, {liar}, 200)
        assert len(rounds) <= peers + 9, (liar, rounds)
        assert len([round for round in rounds if round >= 100]) <= 4


def test_one_of_two_that_a_broken_chain_points_at_is_found_by_the_next_one_or_by_a_sound_sum() -> None:
    doubts = Doubts()
    doubts.spoilt((1, 2), 0)
    (aside,) = doubts.at(1)
    other = 3 - aside
    doubts.spoilt((other, 5), 1)
    assert doubts.at(2) == {other: SPOILT}, "it was in both"
    doubts = Doubts()
    doubts.spoilt((1, 2), 0)
    doubts.sound((1, 3, 4, 5), 1)
    assert doubts.at(2) == {2: SPOILT} and not doubts.at(3)


def test_whom_one_lost_sum_points_at_is_relied_on_again_as_soon_as_sums_with_it_are_sound() -> None:
    doubts = Doubts()
    doubts.spoilt((0, 1, 2), 0)
    doubts.sound((0, 1, 2), 1)  # the others were too few without the one that was to be left off
    assert not doubts.at(2)
    doubts.broken(4, 2)
    assert doubts.at(3) == {4: NO_PLEDGE}
    doubts.kept(4)
    assert not doubts.at(3)


def test_a_sound_sum_takes_back_one_of_the_sums_that_were_lost() -> None:
    doubts = Doubts()
    for round in range(3):
        doubts.spoilt((1,), round)
    assert doubts.at(2 + 4) and not doubts.at(2 + 5), "three times: for four rounds"
    doubts.sound((0, 1, 2), 3)
    assert doubts.at(2 + 2) and not doubts.at(2 + 3), "twice: for two"

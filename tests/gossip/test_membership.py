"""Who is there, word by word."""

from __future__ import annotations

from p2pfl_me.gossip.membership import Membership


def test_a_neighbour_comes_greets_goes_and_returns() -> None:
    members = Membership([1, 2, 3])
    assert members.awaited == {1, 2, 3} and not members.there and not members.gone
    assert members.why_absent(1) == "unreachable"
    members.came_up(1)
    assert members.there == members.ungreeted == {1} and members.awaited == {1, 2, 3}
    assert members.why_absent(1) is None
    members.greeted(1, 4)
    assert members.rounds == {1: 4} and members.awaited == {2, 3} and not members.ungreeted
    members.went_down(1)
    assert not members.there and members.awaited == {1, 2, 3} and members.why_absent(1) == "unreachable"
    members.came_up(1)
    members.greeted(1, 2)
    assert members.rounds == {1: 2}, "it may have come back from an older checkpoint"


def test_who_left_is_awaited_no_more_until_it_greets_again() -> None:
    members = Membership([1, 2])
    members.came_up(1)
    members.left(1)
    assert members.gone == {1} and not members.there and not members.ungreeted and members.awaited == {2}
    assert members.why_absent(1) == "left"
    members.greeted(1, 0)
    assert members.there == {1} and not members.gone and members.why_absent(1) is None


def test_a_link_that_is_up_is_enough_should_its_greeting_be_lost() -> None:
    members = Membership([1, 2])
    members.came_up(1)
    members.excuse_greetings()
    assert members.awaited == {2} and not members.ungreeted

"""Seeded schedules in which the contract changes: who joins, leaves, moves; and the same twice over."""

from __future__ import annotations

import pytest

from p2pfl_me.simulation.changing import LEFT
from p2pfl_me.simulation.view_trials import broken, draw_changes, play


@pytest.mark.parametrize("first", range(0, 36, 6))
def test_no_promise_is_broken_whatever_the_members_agree_to(first: int) -> None:
    found = {seed: broken(draw_changes(seed)) for seed in range(first, first + 6)}
    assert not any(found.values()), {draw_changes(seed).replay: each for seed, each in found.items() if each}


def test_a_seed_is_lived_alike_every_time() -> None:
    one, two = (play(draw_changes(5))[1].bits() for _ in range(2))
    assert one == two and one


def test_without_faults_all_turn_in_the_round_that_was_agreed() -> None:
    seen = 0
    for seed in range(0, 30, 3):
        changes = draw_changes(seed)
        assert changes.is_faultless
        simulation, _ = play(changes)
        common = changes.contracts[0].gossip.protocol.common_rounds
        for turned in simulation.turns if common else ():
            seen += 1
            assert turned.completed == changes.views[turned.number - 1].round
    assert seen > 20


def test_a_members_own_leaving_is_agreed_to_by_itself_wherever_enough_are_there() -> None:
    seen = 0
    for seed in range(0, 90, 3):
        changes = draw_changes(seed)
        for number, (view, new) in enumerate(zip(changes.views, changes.contracts[1:], strict=True), 1):
            if view.statement in changes.leavings:
                seen += 1
                simulation, _ = play(changes)
                leaver, _ = changes.leavings[view.statement]
                assert simulation.finished[leaver].reason == LEFT
                assert all(simulation.number[peer] >= number for peer in new.peers.present)
    assert seen > 5

"""Seeded schedules in which the contract changes: who joins, leaves, moves; and the same twice over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from p2pfl_me.contract import digest
from p2pfl_me.gossip.cores import Start, core_of, exchanged_size
from p2pfl_me.gossip.newcomer import UNMET
from p2pfl_me.gossip.protocol import Finish, Send, SetTimer, Timer
from p2pfl_me.gossip.turning import TURNED
from p2pfl_me.membership.agreed import Standing, proposed
from p2pfl_me.membership.edits import with_set
from p2pfl_me.message import Kind, Message
from p2pfl_me.simulation.changing import LEFT, Announcement
from p2pfl_me.simulation.view_trials import FAULTLESS, Changes, broken, draw_changes, play
from p2pfl_me.topology import plan_of


@pytest.mark.few(1)
@pytest.mark.parametrize("first", range(0, 36, 6))
def test_no_promise_is_broken_whatever_the_members_agree_to(first: int) -> None:
    found = {seed: broken(draw_changes(seed)) for seed in range(first, first + 6)}
    assert not any(found.values()), {draw_changes(seed).replay: each for seed, each in found.items() if each}


def test_a_seed_is_lived_alike_every_time() -> None:
    one, two = (play(draw_changes(5))[1].bits() for _ in range(2))
    assert one == two and one


@pytest.mark.thorough
def test_without_faults_all_turn_in_the_round_that_was_agreed() -> None:
    seen = 0
    for seed in range(0, 30, 3):
        changes = draw_changes(seed)
        assert changes.is_faultless
        simulation, _ = play(changes)
        common = changes.contracts[0].gossip.protocol.common_rounds
        for turned in simulation.turns if common else ():
            seen += 1
            assert turned.completed == turned.at
    assert seen > 20


@pytest.mark.thorough
def test_a_members_own_leaving_is_agreed_to_by_itself_wherever_enough_are_there() -> None:
    seen = 0
    for seed in range(0, 90, 3):
        changes = draw_changes(seed)
        if changes.leavers and not changes.by_hand:
            seen += 1
            simulation, _ = play(changes)
            assert all(simulation.finished[leaver].reason == LEFT for leaver in changes.leavers)
            ends = {simulation.contract(peer) for peer in simulation.finished if peer not in changes.leavers}
            assert len({digest(each) for each in ends}) == 1
    assert seen > 5


def test_who_is_done_and_hands_out_its_model_goes_on_where_a_change_brings_more_rounds() -> None:
    drawn = draw_changes(0)
    first = with_set(drawn.contracts[0], ["gossip.hand_out=500", "gossip.protocol=dpsgd", "training.rounds=4"])
    more = with_set(first, ["training.rounds=7"])
    view = proposed(Standing(0, first), more, 4)
    # One starts last, so the others are done, and wait for it, when the change comes.
    late = replace(FAULTLESS, late={0: 200.0})
    view = replace(view, seals={peer: {} for peer in first.peers.present})
    changes = Changes(0, (first, more), (view,), (Announcement(150.0, 1, view),), frozenset(), late)
    simulation, log = play(changes)
    assert not simulation.running and {each.number for each in simulation.turns} == {1}
    assert {simulation.number[peer] for peer in more.peers.present} == {1}
    assert [log.starts[peer].completed for peer in more.peers.present] == [7] * more.peers.count
    assert {turned.completed for turned in simulation.turns if turned.peer} == {4}


def test_a_newcomer_that_nobody_lets_in_ends_when_its_patience_is_over() -> None:
    start = Start(np.zeros(4, np.float32), 3, joins=True, waits_s=60.0)
    contract = with_set(draw_changes(0).contracts[0], ["gossip.protocol=dpsgd"])
    core = core_of(contract, 0, plan_of(contract), start)
    (timer,) = core.start(100.0)
    assert isinstance(timer, SetTimer) and timer.at == 160.0
    neighbour = plan_of(contract).neighbours(0)[0]
    assert core.on_peer(120.0, neighbour, True) == [Send(neighbour, Message(Kind.WANT, 0))]
    assert core.on_timer(160.0, timer.timer, timer.round) == [Finish(UNMET, 0)]


def test_a_newcomer_takes_up_what_was_agreed_before_it_had_a_model_and_can_be_stopped() -> None:
    params = np.ones(4, np.float32)
    contract = with_set(draw_changes(0).contracts[0], ["gossip.protocol=dpsgd"])
    neighbour = plan_of(contract).neighbours(0)[0]
    size = exchanged_size(contract.gossip, params.size, ())
    for agreed in (True, False):
        core = core_of(contract, 0, plan_of(contract), Start(np.zeros(4, np.float32), 3, joins=True))
        assert core.start(0.0) == [] and core.waiting_for == set(plan_of(contract).neighbours(0))
        core.on_peer(1.0, neighbour, True)
        core.on_message(1.0, neighbour, Message(Kind.HELLO, 3, 3))
        if agreed:
            assert core.on_timer(1.5, Timer.VIEW, 3) == []
        core.on_message(2.0, neighbour, Message(Kind.FINAL, 3, 3, np.resize(params, size)))
        out = core.on_evaluated(3.0, None)
        turned = [each for each in out if isinstance(each, Finish) and each.reason == TURNED]
        assert bool(turned) is agreed, "before it trains round 3 it goes on under the change"
        if not agreed:
            (stopped,) = [each for each in core.on_stop(4.0) if isinstance(each, Finish)]
            assert stopped.reason == "stopped"
    core = core_of(contract, 0, plan_of(contract), Start(np.zeros(4, np.float32), 3, joins=True))
    core.start(0.0)
    assert core.on_stop(1.0) == [Finish("stopped", 0)] and core.on_peer(2.0, neighbour, True) == []

"""Whom a wait-free round waits for: rules by hand, and what a neighbour that withholds costs under push-sum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.misses import NEEDS_MORE, NOT_AWAITED
from p2pfl_me.gossip.protocol import Action, Send, SetTimer, Timer
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import StopRule
from p2pfl_me.gossip.waits import Waits
from p2pfl_me.message import Kind, Message
from p2pfl_me.topology import plan_of
from tests.gossip.liars import Liar
from tests.gossip.swarms import contract_of, run
from tests.gossip.test_misses import JITTER, met
from tests.gossip.test_protocols import apart, idle

LAST, ROUNDS = 9, 20
SETTINGS = Settings(StopRule(LAST + 1), 15.0, 120.0, 4.0, 300.0)
THERE = frozenset({1, 2})


def waiting(round: int = 0, now: float = 0.0, **due: bool) -> Waits:
    waits = Waits(SETTINGS, (1, 2))
    again(waits, round, now, **due)
    return waits


def again(waits: Waits, round: int, now: float, **due: bool) -> list[Action]:
    waits.begun(now, round, THERE)
    return waits.trained(now, {int(peer[1:]): has_come for peer, has_come in due.items()}, THERE)


def test_nobody_is_waited_for_but_who_owes_this_rounds_message_over_a_link() -> None:
    assert waiting(_1=False, _2=True).late == {1}
    assert Waits(SETTINGS, (1, 2)).trained(0.0, {1: False}, frozenset({2})) == []


def test_a_deadline_that_passes_is_asked_after_in_the_last_round_only() -> None:
    """What any other round has lost comes with the next message: to ask for it would double the wait."""
    waits = waiting(3, _1=False)
    assert waits.rang(90.0, Timer.DEADLINE, THERE) == [] and not waits.late
    waits = waiting(LAST, _1=False)
    assert waits.rang(90.0, Timer.DEADLINE, THERE) == [
        Send(1, Message(Kind.WITHDRAW, LAST, LAST)),
        SetTimer(Timer.DEADLINE, LAST, 105.0),
    ]
    assert waits.late == {1}
    assert waits.rang(105.0, Timer.DEADLINE, THERE) == [] and not waits.late
    assert waits.why_missing(1) == "deadline"


def test_after_two_deadlines_nobody_waits_until_five_messages_came_in_time_whatever_words_come() -> None:
    waits = Waits(SETTINGS, (1, 2))
    for round in range(2):
        again(waits, round, 200.0 * round, _1=False)
        waits.rang(200.0 * round + 100, Timer.DEADLINE, THERE)
    for round in range(2, 7):
        waits.heard(200.0 * round, 1, Message(Kind.WAITS, round, 10_000), THERE)
        assert again(waits, round, 200.0 * round, _1=False) == [] and waits.why_missing(1) == NOT_AWAITED
        waits.came(200.0 * round + 1, 1, round)
        waits.came(200.0 * round + 1, 1, round)  # said again, over a new link: it counts once
    again(waits, 7, 1400.0, _1=False)
    assert waits.late == {1}


def test_who_is_late_teaches_how_long_it_takes_and_is_waited_for_so_long() -> None:
    waits = waiting(_1=True)
    again(waits, 1, 100.0, _1=False)
    waits.rang(115.0, Timer.DEADLINE, THERE)
    waits.came(140.0, 1, 1)
    again(waits, 2, 200.0, _1=False)
    waits.came(240.0, 1, 2)
    (deadline, _) = again(waits, 3, 300.0, _1=False)
    assert isinstance(deadline, SetTimer) and deadline.at >= 340.0


def test_a_word_is_believed_within_the_longest_deadline() -> None:
    waits = waiting(_1=True, _2=True)
    again(waits, 1, 100.0, _1=False, _2=False)
    assert waits.heard(101.0, 1, Message(Kind.LATER, 1, 60_000), THERE) == [], "the other one's timer is set"
    waits.here(2)
    (deadline,) = waits.rang(115.0, Timer.DEADLINE, THERE)
    assert isinstance(deadline, SetTimer) and deadline.at == 161.0 + 15.0
    waits.heard(161.0, 1, Message(Kind.LATER, 2, 300_000), THERE)
    again(waits, 2, 180.0, _1=False)
    assert not waits.late and waits.why_missing(1) == NEEDS_MORE


def test_who_waits_long_or_trains_long_says_so() -> None:
    waits = waiting(_1=True, _2=True)
    waits.merged(0.0)
    waits.evaluated(10.0)
    (later, long) = waits.begun(10.0, 1, THERE)[0], waits.begun(10.0, 1, THERE)[-1]
    assert later == Send(1, Message(Kind.LATER, 1, 10_000)) and long == SetTimer(Timer.LONG, 1, 20.0)
    told = waits.rang(20.0, Timer.LONG, THERE)
    assert Send(2, Message(Kind.LATER, 1, 10_000)) in told, "as much again"
    waits.trained(32.0, {1: False, 2: True}, THERE)
    assert waits.rang(39.4, Timer.LONG, THERE) == []
    told = waits.rang(39.5, Timer.LONG, THERE)
    assert told == [Send(peer, Message(Kind.WAITS, 2, 17_500)) for peer in (1, 2)]


# -- what it costs -----------------------------------------------------------------------------------------------------


class Chatters(Liar):
    """Sends no model, and answers whatever it hears with a word; it is never done."""

    def say(self, now: float, send: Send) -> list[Send]:
        return [] if send.message.kind in {Kind.PUSH, Kind.WITHDRAW} else [send]

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        return [*super().on_message(now, sender, message), Send(sender, Message(Kind.REST, 0, 0))]


class Halves(Liar):
    """Keeps the models of two rounds of five, for one neighbour in this round and for another in that."""

    def say(self, now: float, send: Send) -> list[Send]:
        return [] if send.message.kind is Kind.PUSH and (send.message.round + 2 * send.to) % 5 < 2 else [send]


@pytest.mark.parametrize(
    ("deadline", "first_s", "then_s"),
    [({"min_s": 15.0, "max_s": 120.0}, 90.0, 15.0), ({"min_s": 2.0, "max_s": 6.0}, 2.5, 2.0)],
)
@pytest.mark.parametrize("topology", [{"kind": "ring"}, {"kind": "mesh"}])
def test_push_sum_waits_no_longer_for_one_that_chatters_and_honest_pairs_go_on_together(
    topology: dict[str, str], deadline: dict[str, float], first_s: float, then_s: float
) -> None:
    """It took a longest deadline in every round, since a word was enough to be waited for."""
    contract = contract_of(topology, 5, ROUNDS, {"protocol": "push_sum", "deadline": deadline})
    faults = replace(JITTER, slow={0: 3000.0})
    swarm = run(contract, apart(5), idle, faults, liars={0: Chatters})
    for peer in range(1, 5):
        assert sum(mixed.wait for mixed in swarm.mixed[peer]) < first_s + 2 * then_s + 2 * ROUNDS
        assert sum("deadline" in mixed.missing.values() for mixed in swarm.mixed[peer]) <= 2
    assert min(met(swarm, 0).values()) >= ROUNDS - 3


@pytest.mark.parametrize("topology", [{"kind": "ring"}, {"kind": "mesh"}])
def test_push_sum_loses_a_deadline_in_six_rounds_at_most_to_one_that_withholds_some(topology: dict[str, str]) -> None:
    rounds = 36
    contract = contract_of(topology, 5, rounds, {"protocol": "push_sum", "deadline": {"min_s": 15.0, "max_s": 120.0}})
    swarm = run(contract, apart(5), idle, JITTER, liars={0: Halves})
    for peer in {1, 4} if topology["kind"] == "ring" else set(range(1, 5)):
        passed = sum(mixed.missing.get(0) == "deadline" for mixed in swarm.mixed[peer])
        assert passed <= rounds / 6 + 2
    honest = {
        peer: {other for other in range(1, 5) if any(other in m.weights for m in swarm.mixed[peer])}
        for peer in range(1, 5)
    }
    assert all(
        sum(other in mixed.weights for mixed in swarm.mixed[peer]) >= 0.75 * rounds
        for peer in honest
        for other in honest[peer]
    )


@pytest.mark.parametrize("protocol", ["dpsgd", "overlap", "push_sum"])
@pytest.mark.parametrize("step_ms", [50, -50])
def test_words_without_end_make_no_timers_without_end(protocol: str, step_ms: int) -> None:
    """Each made two, and a host that looks through all of them at every word soon did nothing else."""
    contract = contract_of({"kind": "ring"}, 5, 25, {"protocol": protocol})
    core = core_of(contract, 0, plan_of(contract), Start(np.zeros(5, np.float32)))
    core.start(0.0)
    for peer in (1, 4):
        core.on_peer(0.0, peer, True)
        for kind in (Kind.HELLO, Kind.BEGUN):
            core.on_message(0.0, peer, Message(kind, 0, 0))
    core.on_trained(1.0, np.zeros(5, np.float32))
    timers = 0
    for number in range(1000):
        word = Message((Kind.LATER, Kind.WAITS)[number % 2], 0, 60_000 + number * step_ms)
        timers += sum(isinstance(each, SetTimer) for each in core.on_message(1.0 + number / 1000, 4, word))
    assert timers < 100

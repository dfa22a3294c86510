"""Everybody's work as a budget: all end once all together have trained so many rounds, and a liar moves that little."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.protocol import Action, Send
from p2pfl_me.gossip.protocol import Protocol as Core
from p2pfl_me.gossip.work import AT_A_TIME, Work
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.simulation.faults import Crash, FaultModel
from tests.gossip.swarms import contract_of, run
from tests.gossip.test_hours import HEAD, WAITS_FOR_NOBODY
from tests.gossip.test_protocols import RING, apart, idle

WORK = 400


def by_work(protocol: str, work: int = WORK, rounds: int = 100_000) -> Contract:
    values = contract_of(RING, 5, rounds, {"protocol": protocol}).model_dump(mode="json")
    values["training"] = {"rounds": rounds, "until": {"work": work}}
    return Contract.model_validate(values)


@pytest.mark.few(1)
@pytest.mark.parametrize("protocol", WAITS_FOR_NOBODY)
def test_all_end_when_all_together_have_done_it_and_the_slow_one_counted(protocol: str) -> None:
    def step(peer: int, round: int, params: Vector) -> Vector:
        return params + np.float32(0.5) * (np.eye(5, dtype=np.float32)[peer] - params)

    swarm = run(by_work(protocol), np.zeros((5, 5), np.float32), step, FaultModel(slow={2: 25.0}))
    assert {finish.reason for finish in swarm.finished.values()} == {"work"}
    assert all(finish.is_whole for finish in swarm.finished.values())
    done = {peer: finish.rounds for peer, finish in swarm.finished.items()}
    # A count is a round or two old when it has come round the ring; the slow one ends with the round it is in.
    assert WORK <= sum(done.values()) <= WORK + 5 * 4, done
    assert 3 <= done[2] <= 6 < min(done[peer] for peer in (0, 1, 3, 4))
    ends = [swarm.ended[peer] for peer in range(5)]
    assert max(ends) - min(ends) < 26.0
    learned = [max(float(mixed.params[2]) for mixed in swarm.mixed[peer]) for peer in (0, 1, 3, 4)]
    assert min(learned) > 0.0


@pytest.mark.few(1)
@pytest.mark.parametrize("protocol", WAITS_FOR_NOBODY)
def test_one_that_crashes_for_good_or_returns_leaves_nobody_training_without_end(protocol: str) -> None:
    for back in (None, 40.0):
        faults = FaultModel(crashes=(Crash(20.0, 3, back),), silence_s=0.5)
        swarm = run(by_work(protocol, 300), apart(5), idle, faults)
        ended = {peer: finish for peer, finish in swarm.finished.items() if back or peer != 3}
        assert {finish.reason for finish in ended.values()} == {"work"}
        # What the one that is gone had done before still counts.
        assert 270 <= sum(finish.rounds for finish in swarm.finished.values()) + (0 if back else 20) <= 345


class Braggart:
    """Claims that each peer has trained so many rounds, in every message about work."""

    def __init__(self, core: Core, claim: int) -> None:
        self._core, self._claim = core, claim

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._core, name)
        if not name.startswith(("on_", "start")):
            return found

        def call(*given: Any, **named: Any) -> list[Action]:
            return [self._lie(action) for action in found(*given, **named)]

        return call

    def _lie(self, action: Action) -> Action:
        if isinstance(action, Send) and action.message.kind is Kind.WORK:
            return Send(action.to, Message(Kind.WORK, action.message.round, self._claim))
        return action


@pytest.mark.few(2)
@pytest.mark.parametrize(("claim", "least"), [(100_000, 0.79), (0, 0.99)])
@pytest.mark.parametrize("slow", [(), (2,)])
def test_one_liar_can_at_most_make_all_look_as_fast_as_the_fastest(
    claim: int, least: float, slow: tuple[int, ...]
) -> None:
    """Of five of whom one is slow, the others' share of the work is at least four fifths of what was asked."""
    liars: dict[int, Callable[[Core], Core]] = {0: lambda core: Braggart(core, claim)}
    faults = FaultModel(slow=dict.fromkeys(slow, 25.0))
    swarm = run(by_work("push"), apart(5), idle, faults, liars=liars)
    honest = [swarm.finished[peer] for peer in range(5) if peer != 0]
    assert {finish.reason for finish in honest} == {"work"}
    done = sum(finish.rounds for finish in swarm.finished.values())
    assert least * WORK <= done <= 1.5 * WORK


def test_counts_that_come_in_any_order_and_any_number_of_times_come_to_the_same() -> None:
    everyone = frozenset(range(6))
    words = [(sender, peer, count) for sender in (1, 5) for peer in range(6) for count in (3, 7, 7, 20)]
    found = set()
    for seed in range(20):
        work = Work(0, 100, everyone)
        for word in random.Random(seed).sample(words, len(words)):
            work.hear(*word)
        found.add(tuple((a.to, a.message.round, a.message.at) for a in work.news(20, [1, 5]) if isinstance(a, Send)))
        assert work.over(20, [1, 5], []) and not Work(0, 100, everyone).over(99, [1, 5], [])
    assert len(found) == 1


@pytest.mark.parametrize(
    ("own", "words", "believed"),
    [
        (10, {1: 1000, 5: 9}, 10 + 10 + 9 + 10),  # one neighbour brags, of itself and of peer 3
        (10, {1: 12, 5: 14}, 10 + 12 + 12 + 12),  # up to what two bear out
        (1, {1: 25, 5: 24}, 1 + 24 + 24 + 24),  # this peer is the slow one, and two say so
        (10, {1: 1000}, 10 + 10 + 10),  # one neighbour alone bears out nothing above one's own
    ],
)
def test_nobody_counts_for_more_than_is_borne_out(own: int, words: dict[int, int], believed: int) -> None:
    for whole, over in ((believed, True), (believed + 1, False)):
        work = Work(0, whole, frozenset(range(6)))
        for neighbour, count in words.items():
            work.hear(neighbour, neighbour, count)
            work.hear(neighbour, 3, 1000)
        assert work.over(own, [1, 5], []) is over


def test_whoever_is_left_by_most_neighbours_is_done_if_the_work_is_said_to_be() -> None:
    work = Work(0, 1000, frozenset(range(4)))
    work.hear(1, 1, 600)
    assert not work.over(10, [1], [1]), "it went before the work was done"
    work.hear(1, 2, 400)
    assert work.over(10, [1], [1]) and not work.over(10, [1], []) and not work.over(10, [1, 3], [1])


def test_a_neighbour_is_told_what_is_new_a_bounded_number_of_counts_at_a_time() -> None:
    work = Work(0, 10**6, frozenset(range(200)))
    for peer in range(1, 200):
        work.hear(1, peer, 5)
        work.hear(2, peer, 5)
    first = work.news(5, [1])
    assert len(first) == AT_A_TIME and isinstance(first[0], Send) and first[0].message.round == 0
    rest = [work.news(5, [1]) for _ in range(4)]
    assert sum(map(len, rest)) + AT_A_TIME == 199 and not rest[-1]
    work.forget(1)
    assert len(work.news(5, [1], all_of_it=True)) == 199
    assert not Work(0, None, frozenset(range(9))).news(5, [1])
    work = Work(0, 10, frozenset(range(3)))
    work.hear(1, 1, 0)
    work.hear(1, 2, 0)
    assert told(work, own=0) == [] and not work.over(9, [1], []) and work.over(10, [1], [])


def test_a_neighbour_hears_of_oneself_first_then_of_those_of_whom_it_knows_least() -> None:
    work = Work(2, 10**6, frozenset(range(5)))
    work.hear(1, 0, 1)
    work.hear(1, 4, 2)
    assert told(work, own=3) == [(2, 3), (0, 1), (4, 2)]
    for peer in (0, 3, 4):
        work.hear(1, peer, 3)
    assert told(work, own=4) == [(2, 4), (3, 3), (0, 3), (4, 3)], "peer 3 was never told of, and 4 as of 2 rounds"


def told(work: Work, own: int) -> list[tuple[int, int]]:
    sends = [each.message for each in work.news(own, [1]) if isinstance(each, Send)]
    return [(each.round, each.at) for each in sends]


def test_the_contract_knows_work_and_asks_for_an_end_beside_it() -> None:
    push = f"{HEAD}gossip: {{protocol: push}}\n"
    contract = contract_from_yaml(f"{push}training: {{until: {{work: 500, hours: 2}}}}\n")
    assert (contract.training.work, contract.training.seconds, contract.training.rounds) == (500, 7200, 100_000)
    bounded = contract_from_yaml(f"{push}training: {{rounds: 300, until: {{work: 500}}}}\n")
    assert (bounded.training.work, bounded.training.seconds, bounded.training.rounds) == (500, None, 300)
    for training, why in (
        ("{until: {work: 500}}", "needs an end for whoever cannot see"),
        ("{until: {work: 0, hours: 1}}", "greater than or equal to 1"),
        ("{rounds: 3, until: {work: null}}", "until says nothing"),
    ):
        with pytest.raises(ContractError, match=why):
            contract_from_yaml(f"{push}training: {training}\n")
    with pytest.raises(ContractError, match="peers of dpsgd count the same rounds"):
        contract_from_yaml(f"{HEAD}training: {{rounds: 9, until: {{work: 20}}}}\n")

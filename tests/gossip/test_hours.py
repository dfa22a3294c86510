"""Time as a budget: peers that wait for nobody end together by the clock, and a slow lab's rounds count until then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from p2pfl_me.contract import Contract, contract_from_yaml
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.hours import SPENT, Hours
from p2pfl_me.gossip.protocol import Send
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.simulation.faults import Crash, FaultModel
from tests.gossip.liars import Liar
from tests.gossip.swarms import contract_of, run
from tests.gossip.test_protocols import RING, apart, idle

WAITS_FOR_NOBODY = ("push", "swift", "adpsgd")
SECONDS, SLOW_S = 300.0, 25.0


def by_time(protocol: str, seconds: float = SECONDS, **gossip: Any) -> Contract:
    contract = contract_of(RING, 5, 100_000, {"protocol": protocol, **gossip})
    values = contract.model_dump(mode="json")
    values["training"] = {"until": {"hours": seconds / 3600}}
    return Contract.model_validate(values)


@pytest.mark.few(1)
@pytest.mark.parametrize("protocol", WAITS_FOR_NOBODY)
def test_a_slow_lab_counts_for_something(protocol: str) -> None:
    """What it alone has learned is in everybody's model at the end."""

    def step(peer: int, round: int, params: Vector) -> Vector:
        target = np.eye(5, dtype=np.float32)[peer]
        return params + np.float32(0.5) * (target - params)

    swarm = run(by_time(protocol), np.zeros((5, 5), np.float32), step, FaultModel(slow={2: SLOW_S}))
    assert {finish.reason for finish in swarm.finished.values()} == {"time"}
    assert all(finish.is_whole for finish in swarm.finished.values())
    assert SECONDS / SLOW_S - 1 <= swarm.finished[2].rounds <= SECONDS / SLOW_S + 1
    assert all(swarm.finished[peer].rounds > SECONDS / 2 for peer in (0, 1, 3, 4))
    learned = [max(float(mixed.params[2]) for mixed in swarm.mixed[peer]) for peer in (0, 1, 3, 4)]
    assert min(learned) > 0.01, learned


@pytest.mark.few(1)
@pytest.mark.parametrize("protocol", WAITS_FOR_NOBODY)
def test_whoever_comes_late_or_back_ends_with_the_others(protocol: str) -> None:
    faults = FaultModel(late={1: 700.0}, crashes=(Crash(650.0, 3, 720.0),), silence_s=0.5)
    swarm = run(by_time(protocol, start={"patience": 600.0}), apart(5), idle, faults)
    assert {finish.reason for finish in swarm.finished.values()} == {"time"}
    ends = [swarm.ended[peer] for peer in range(5)]
    assert max(ends) - min(ends) < 3, "nobody trains on alone"
    assert 600 + SECONDS - 3 < min(ends) < 600 + SECONDS + 5


class IsOver(Liar):
    """Says over each link that the run is under way, and that its time is over."""

    def say(self, now: float, send: Send) -> list[Send]:
        over = [Send(send.to, Message(kind, 0, 0)) for kind in (Kind.REST, Kind.BEGUN)]
        return [send, *over] if send.message.kind is Kind.HELLO else [send]


@pytest.mark.few(1)
@pytest.mark.parametrize("protocol", WAITS_FOR_NOBODY)
def test_one_that_says_that_the_time_is_over_ends_nobody(protocol: str) -> None:
    """Its neighbours had ended before their first round, and reported success."""
    swarm = run(by_time(protocol), apart(5), idle, liars={2: IsOver})
    assert min(finish.rounds for peer, finish in swarm.finished.items() if peer != 2) > SECONDS / 2


def test_time_that_was_spent_before_a_restart_is_spent() -> None:
    first = Hours(100.0, {})
    first.begin(10.0, [], 0)
    assert not first.over(109.9) and first.over(110.0) and first.rest_ms(60.0) == 50_000
    again = Hours(100.0, first.memory(40.0))
    assert first.memory(40.0)[SPENT].tolist() == [30.0]
    again.begin(1000.0, [], 0)
    assert again.over(1070.0) and not again.over(1069.0)


@pytest.mark.parametrize(
    ("said", "there", "ends"),
    [
        ([], 0, 100.0),
        ([], 3, 100.0),
        ([40.0], 1, 40.0),
        ([40.0], 2, 100.0),
        ([40.0, 60.0], 2, 60.0),
        ([40.0, 60.0], 3, 60.0),
        ([40.0, 60.0], 4, 100.0),
        ([1e9], 1, 100.0),
        ([-5.0], 1, -5.0),
    ],
)
def test_the_words_of_most_who_are_there_count_up_to_the_contracts_hours(
    said: list[float], there: int, ends: float
) -> None:
    hours = Hours(100.0, {})
    hours.begin(0.0, said, there)
    assert hours.over(ends) and not hours.over(ends - 0.1)


def test_words_that_come_just_after_the_beginning_count_and_none_puts_the_end_off_for_ever() -> None:
    hours = Hours(100.0, {})
    hours.hear([5.0], 1)
    hours.begin(0.0, [40.0], 2)
    assert not hours.over(99.0)
    hours.hear([40.0, 50.0], 2)
    assert hours.over(50.0) and not hours.over(49.0)
    hours.hear([40.0, 1e9], 2)
    assert hours.over(100.0) and not hours.over(99.0)


def test_without_hours_nothing_is_over_and_nothing_is_said() -> None:
    hours = Hours(None, {})
    hours.begin(0.0, [1.0], 1)
    assert not hours.over(1e12) and hours.rest_ms(5.0) is None and not hours.memory(5.0)


HEAD = "version: 1\nname: x\ntopology: {kind: ring}\npeers: {loopback: {count: 5}}\n"


def test_the_contract_knows_rounds_hours_and_who_can_end_by_them() -> None:
    contract = contract_from_yaml(f"{HEAD}gossip: {{protocol: push}}\ntraining: {{until: {{hours: 2}}}}\n")
    assert contract.training.seconds == 7200 and contract.training.rounds == 100_000
    both = contract_from_yaml(f"{HEAD}gossip: {{protocol: push}}\ntraining: {{until: {{hours: 2, rounds: 9}}}}\n")
    assert both.training.rounds == 9
    rounds = contract_from_yaml(f"{HEAD}training: {{until: {{rounds: 7}}}}\n")
    assert rounds == contract_from_yaml(f"{HEAD}training: {{rounds: 7}}\n")
    with pytest.raises(ContractError, match="peers of dpsgd count the same rounds"):
        contract_from_yaml(f"{HEAD}training: {{until: {{hours: 2}}}}\n")
    with pytest.raises(ContractError, match="stands here twice"):
        contract_from_yaml(f"{HEAD}training: {{rounds: 3, until: {{rounds: 7}}}}\n")
    with pytest.raises(ContractError, match=r"unknown key `training\.until\.minutes`"):
        contract_from_yaml(f"{HEAD}training: {{until: {{minutes: 7}}}}\n")


def test_the_hours_are_over_at_their_very_end_and_what_is_left_is_said_in_milliseconds() -> None:
    hours = Hours(10.0, {SPENT: np.array([4.0])})
    assert not hours.over(1e9) and hours.rest_ms(0.0) is None and hours.memory(0.0) == {}
    hours.begin(100.0, [], 0)
    assert [hours.over(now) for now in (105.999, 106.0, 107.0)] == [False, True, True]
    assert [hours.rest_ms(now) for now in (100.0, 105.9996, 106.0, 110.0)] == [6000, 0, 0, 0]
    assert hours.rest_ms(104.8765) == 1124
    assert [float(hours.memory(now)[SPENT][0]) for now in (100.0, 103.0, 106.0, 200.0)] == [4.0, 7.0, 10.0, 10.0]
    hours.begin(100.0, [103.0, 108.0], 2)
    assert hours.rest_ms(100.0) == 8000, "the longest of the others' words, not one's own"
    hours.begin(100.0, [500.0], 1)
    assert hours.rest_ms(100.0) == 10_000 and not hours.over(109.9), "and never more than the whole"
    endless = Hours(1e9, {})
    endless.begin(0.0, [], 0)
    assert endless.rest_ms(0.0) == 2_000_000_000

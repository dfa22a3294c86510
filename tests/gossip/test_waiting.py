"""Nobody waits past its deadline for anybody, whatever the other end says or does not say."""

from __future__ import annotations

import numpy as np
import pytest

from p2pfl_me.gossip.protocol import Send
from p2pfl_me.message import MAX_ROUND, Kind, Message, Vector
from p2pfl_me.simulation.faults import FaultModel, LinkQuality, Outage, Partition
from tests.gossip.liars import Liar, Mute
from tests.gossip.swarms import contract_of, run
from tests.gossip.test_protocols import ALL, RING, apart, idle

MOST_S = 8.0
DEADLINE = {"deadline": {"min_s": 2.0, "max_s": MOST_S}}


class Withdraws(Liar):
    """Answers every word with the same question, and never anything else."""

    def say(self, now: float, send: Send) -> list[Send]:
        if send.message.kind is Kind.HELLO:
            return [send]
        return [Send(send.to, Message(Kind.WITHDRAW, send.message.round, send.message.at))]


class Unanswering(Liar):
    """Offers, and never says what became of others' offers."""

    def say(self, now: float, send: Send) -> list[Send]:
        return [send] if send.message.kind in {Kind.HELLO, Kind.OFFER} else []


class Promises(Liar):
    """Says that it needs a little longer, whatever it is told, and never brings anything."""

    def say(self, now: float, send: Send) -> list[Send]:
        later = Send(send.to, Message(Kind.LATER, send.message.round, MAX_ROUND))
        return [send, later] if send.message.kind is Kind.HELLO else [later]


@pytest.mark.few(10)
@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize("peer", [0, 2, 4])
@pytest.mark.parametrize("liar", [Mute, Withdraws, Unanswering, Promises])
def test_who_is_up_and_mute_holds_nobody_past_the_deadline(protocol: str, peer: int, liar: type[Liar]) -> None:
    contract = contract_of(RING, 5, 12, {"protocol": protocol, "join_timeout_s": 5, **DEADLINE})
    swarm = run(contract, apart(5), idle, liars={peer: liar})
    waits = {other: [mixed.wait for mixed in rounds] for other, rounds in swarm.mixed.items() if other != peer}
    assert max(wait for each in waits.values() for wait in each) <= MOST_S + 0.01
    if liar is Mute:  # it costs its neighbours two deadlines and no more
        assert all(wait < 2 for other in ((peer - 1) % 5, (peer + 1) % 5) for wait in waits[other][6:-1])


@pytest.mark.parametrize("protocol", ["dpsgd", "gradient_tracking"])
def test_what_a_cut_link_left_open_is_settled_when_it_returns(protocol: str) -> None:
    """The cut falls between an answer and its arrival: one end has averaged, the other makes it good afterwards."""
    cut = Partition(4.5, 7.0, frozenset({0}))
    faults = FaultModel(LinkQuality(latency_s=(1.0, 1.0)), partitions=(cut,), silence_s=0.1)
    begin = apart(2)
    contract = contract_of({"kind": "line"}, 2, 12, {"protocol": protocol, "deadline": {"min_s": 20, "max_s": 60}})
    swarm = run(contract, begin, idle, faults)
    assert any(mixed.late for mixed in swarm.mixed[1])
    assert all(not finish.unsettled for finish in swarm.finished.values())
    np.testing.assert_allclose(swarm.params.sum(axis=0), begin.sum(axis=0), atol=1e-5)


@pytest.mark.parametrize(("alone", "most"), [("train", 6), ("wait", 1)])
def test_who_waits_for_company_shares_all_but_one_round_across_a_relay_that_is_gone(alone: str, most: int) -> None:
    """Two labs that only a relay joins, rounds of a second; it is gone for five."""
    contract = contract_of({"kind": "line"}, 2, 40, {"alone": alone})
    gone = Outage(4.0, 9.0, frozenset({(0, 1)}))
    swarm = run(contract, apart(2), idle, FaultModel(partitions=(gone,), silence_s=0.5))
    ends = swarm.finished.values()
    assert all(each.reason == "rounds" and each.rounds == 40 and each.alone <= most for each in ends)
    assert all(each.alone > 1 for each in ends) == (alone == "train")


def test_an_answer_of_the_last_round_is_waited_for_across_a_cut() -> None:
    def step(peer: int, round: int, params: Vector) -> Vector:
        return params + np.float32(1)

    for begin in np.arange(2.0, 12.0, 0.35):
        faults = FaultModel(
            LinkQuality(latency_s=(0.5, 0.5)),
            partitions=(Partition(begin, begin + 2.0, frozenset({0})),),
            silence_s=0.1,
        )
        contract = contract_of({"kind": "line"}, 2, 4, {"deadline": {"min_s": 5, "max_s": 20}})
        swarm = run(contract, np.zeros((2, 3), np.float32), step, faults)
        trained = sum(len(swarm.mixed[peer]) for peer in range(2))
        if not any(finish.unsettled for finish in swarm.finished.values()):
            np.testing.assert_allclose(swarm.params.sum(axis=0), trained, atol=1e-5)


def test_a_mute_neighbour_does_not_end_the_meetings_of_others() -> None:
    """Who asks and gets no answer keeps those who ask it waiting for a few rounds only."""
    swarm = run(contract_of({"kind": "mesh"}, 5, 40, {"protocol": "adpsgd"}), apart(5), idle, liars={1: Mute})
    for peer in (0, 2, 3, 4):
        assert sum(bool(mixed.weights) for mixed in swarm.mixed[peer][20:]) >= 8

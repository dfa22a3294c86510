"""Who is no longer waited for, and what that costs whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from p2pfl_me.gossip.misses import PATIENCE, SPENT, came, is_awaited, missed
from p2pfl_me.gossip.protocol import Protocol as Core
from p2pfl_me.gossip.protocol import Send
from p2pfl_me.message import Kind, Message
from p2pfl_me.simulation.faults import FaultModel, LinkQuality
from tests.gossip.liars import Liar
from tests.gossip.swarms import Swarm, contract_of, run
from tests.gossip.test_protocols import apart, idle

PARTS = {Kind.OFFER, Kind.ANSWER}
EXCHANGE = PARTS | {Kind.SKIP, Kind.WITHDRAW}
ROUNDS = 20
JITTER = FaultModel(LinkQuality((0.01, 0.1)), compute_s=(0.5, 1.5))


def test_two_deadlines_in_a_row_are_enough_and_five_rounds_in_time_make_them_good() -> None:
    assert is_awaited(missed(0)) and not is_awaited(missed(missed(0)))
    count = missed(missed(0))
    for _ in range(4):
        count = came(count)
        assert not is_awaited(count)
    assert is_awaited(came(count)) and came(0) == 0


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9, 1.0])
def test_whatever_share_is_withheld_a_deadline_passes_in_one_round_of_six_at_most(share: float) -> None:
    """The count as a Markov chain; where nobody waits no deadline passes."""
    step = np.zeros((SPENT + 1, SPENT + 1))
    for count in range(SPENT + 1):
        step[count, came(count)] += 1 - share
        step[count, missed(count) if is_awaited(count) else count] += share
    stationary = np.linalg.matrix_power(step, 1 << 20)[0]
    assert share * stationary[:PATIENCE].sum() <= 1 / 6


# -- what it costs the others ------------------------------------------------------------------------------------------


def liar(withholds: Callable[[Random, Send, int], bool], beside: Callable[[Send], list[Send]] = lambda send: [send]):  # type: ignore[no-untyped-def]
    """A core whose messages are withheld by chance, or by who gets them in which round."""

    class Withholds(Liar):
        def __init__(self, core: Core) -> None:
            super().__init__(core)
            self._random = Random(1)

        def say(self, now: float, send: Send) -> list[Send]:
            return [] if withholds(self._random, send, send.message.round) else beside(send)

    return Withholds


def promising(send: Send) -> list[Send]:
    """What is said comes with a word that the next takes as long as is waited for."""
    return [send, Send(send.to, Message(Kind.LATER, send.message.round + 1, 60_000))]


LIARS = {
    "half of the exchange": liar(lambda random, send, round: send.message.kind in EXCHANGE and random.random() < 0.5),
    "half of its models": liar(lambda random, send, round: send.message.kind in PARTS and random.random() < 0.5),
    "a third": liar(lambda random, send, round: send.message.kind in EXCHANGE and random.random() < 1 / 3),
    "one neighbour, then another": liar(
        lambda _, send, round: send.message.kind in EXCHANGE and (send.to + round) % 2 == 0
    ),
    "every answer": liar(lambda _, send, round: send.message.kind in EXCHANGE - {Kind.OFFER}),
    "every offer": liar(lambda _, send, round: send.message.kind is Kind.OFFER),
    "half, and promises": liar(
        lambda random, send, round: send.message.kind in EXCHANGE and random.random() < 0.5, promising
    ),
}


def met(swarm: Swarm, who: int) -> Counter[tuple[int, int]]:
    """Honest ends (peer, neighbour) -> in how many rounds both ends have mixed over their edge."""
    mixed = {(peer, other, one.round) for peer, each in swarm.mixed.items() for one in each for other in one.weights}
    both = [(peer, other) for peer, other, round in mixed if (other, peer, round) in mixed]
    return Counter(ends for ends in both if who not in ends)


@pytest.mark.few(2)
@pytest.mark.parametrize("who", [0, 2])
@pytest.mark.parametrize("withheld", LIARS)
def test_who_withholds_a_part_costs_an_honest_pair_beside_it_next_to_no_exchange(withheld: str, who: int) -> None:
    """They wait for the liar, and for each other while they do: each says to the other how long at the latest."""
    for topology, count in (({"kind": "ring"}, 4), ({"kind": "mesh"}, 5)):
        for deadline in ({"min_s": 15.0, "max_s": 120.0}, {"min_s": 2.0, "max_s": 6.0}):
            contract = contract_of(topology, count, ROUNDS, {"deadline": deadline})
            swarm = run(contract, apart(count), idle, JITTER, liars={who: LIARS[withheld]})
            honest = met(swarm, who)
            assert len(honest) == (4 if count == 4 else 12)
            assert min(honest.values()) >= ROUNDS - 3, (withheld, topology, deadline, honest)
            assert all(finish.rounds >= ROUNDS - 3 for peer, finish in swarm.finished.items() if peer != who)
            took_s = max(ended for peer, ended in swarm.ended.items() if peer != who)
            assert took_s < 2 * ROUNDS + 4 * deadline["max_s"], "a longest deadline, and then and now a shortest"


@pytest.mark.few(1)
@pytest.mark.parametrize("latency_s", [(12.0, 14.5), (5.0, 30.0)])
@pytest.mark.parametrize("who", [0, 2])
def test_nor_does_who_is_late_by_just_under_the_deadline_or_anyhow(who: int, latency_s: tuple[float, float]) -> None:
    """Its words and models crawl: it is waited for as every slow lab is, which costs time and no exchange of others."""
    links = {(min(who, other), max(who, other)): LinkQuality(latency_s) for other in range(5) if other != who}
    contract = contract_of({"kind": "mesh"}, 5, ROUNDS, {"deadline": {"min_s": 15.0, "max_s": 120.0}})
    swarm = run(contract, apart(5), idle, replace(JITTER, links=links))
    assert min(met(swarm, who).values()) >= ROUNDS - 3
    assert all(finish.rounds == ROUNDS for peer, finish in swarm.finished.items() if peer != who)

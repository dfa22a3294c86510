"""The start and the company: all begin together or say who is missing, and nobody is alone in silence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from p2pfl_me.contract import Contract
from p2pfl_me.gossip.gathering import Gathering
from p2pfl_me.gossip.membership import Membership
from p2pfl_me.gossip.protocol import Action, Send, SetTimer, Timer
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import StopRule
from p2pfl_me.message import MAX_ROUND, Kind, Message, Vector
from p2pfl_me.simulation.faults import Crash, FaultModel, LinkQuality
from tests.gossip.liars import Liar, Mute, OnLinks
from tests.gossip.swarms import contract_of, run
from tests.gossip.test_protocols import ALL, RING, apart, idle

NEVER = 1e6


def absent(*peers: int, until: float = NEVER) -> FaultModel:
    return FaultModel(late=dict.fromkeys(peers, until))


@pytest.mark.few(3)
@pytest.mark.parametrize("protocol", ALL)
@pytest.mark.parametrize(
    "topology", [RING, {"kind": "mesh"}, {"kind": "base", "meets": 1}], ids=lambda each: each["kind"]
)
def test_all_begin_together_when_the_last_has_come(protocol: str, topology: dict[str, Any]) -> None:
    """One lab is three minutes late: it costs time and not a round."""
    swarm = run(contract_of(topology, 7, 8, {"protocol": protocol}), apart(7), idle, absent(2, until=180.0))
    assert all(finish.is_whole and finish.rounds == 8 for finish in swarm.finished.values())
    assert min(swarm.began.values()) >= 180 and max(swarm.began.values()) < 183
    assert not any(swarm.missing.values())


@pytest.mark.parametrize("protocol", ALL)
def test_without_one_all_others_begin_together_and_say_who_is_missing(protocol: str) -> None:
    """The neighbours of the absent one don't wait while the others train, and lose it alone."""
    gossip = {"protocol": protocol, "start": {"patience": 60}}
    contract = contract_of(RING, 5, 12, gossip)
    swarm = run(contract, apart(5), idle, absent(2, until=10_000.0))
    there = (0, 1, 3, 4)
    assert {swarm.missing[peer] for peer in there} == {frozenset({2})}
    began = [swarm.began[peer] for peer in there]
    assert min(began) >= 60 and max(began) - min(began) < 1
    assert all(swarm.finished[peer].is_whole for peer in there)
    assert max(swarm.ended[peer] for peer in there) < 200
    late = swarm.finished[2]
    assert not late.is_whole, "who comes when all have ended says so"


@pytest.mark.parametrize("protocol", ["dpsgd", "push"])
@pytest.mark.parametrize("topology", [RING, {"kind": "mesh"}], ids=lambda each: each["kind"])
def test_one_that_says_that_the_run_is_in_its_last_round_has_nobody_begin(
    protocol: str, topology: dict[str, Any]
) -> None:
    """It was there first: each lab began with it alone, in the last round, and had ended when the next one came."""
    late = FaultModel(late={1: 60.0, 3: 70.0, 4: 80.0, 5: 90.0})
    liars = {0: lambda core: OnLinks(Mute(core), Message(Kind.HELLO, 19, 19), Message(Kind.BEGUN, 0))}
    swarm = run(contract_of(topology, 6, 20, {"protocol": protocol}), apart(6), idle, late, liars=liars)
    honest = range(1, 6)
    assert min(swarm.began[peer] for peer in honest) >= 90
    assert all(swarm.finished[peer].rounds == 20 and swarm.finished[peer].alone <= 1 for peer in honest)


@pytest.mark.parametrize("second", [0.0, 200.0, 300.0, 400.0], ids=lambda at: f"{at:g}")
def test_one_word_that_the_run_is_under_way_is_enough_after_half_of_ones_own_patience(second: float) -> None:
    """A second neighbour's is, at once; said again it is no other, and makes no timer more."""
    members = Membership((1, 2))
    settings = Settings(StopRule(3), 1.0, 2.0, 3.0, 600.0, everyone=frozenset(range(31)), quorum=31)
    gathering = Gathering(0, members, settings, 0)
    gathering.start(0.0)
    members.came_up(1)
    members.greeted(1, 0)
    begun = Message(Kind.BEGUN, 0)
    (half,) = [each for each in gathering.hear(0.0, 1, begun) if isinstance(each, SetTimer) and each.at == 300.0]
    assert half.timer is Timer.BELIEVE
    for now in (0.0, 10.0, 299.0):
        assert not [each for each in gathering.hear(now, 1, begun) if isinstance(each, SetTimer) and each.at > 299.5]
        assert not gathering.enough
    if second < 300.0:
        members.came_up(2)
        members.greeted(2, 0)
        gathering.hear(second, 2, begun)
    else:
        gathering.rang(second, Timer.BELIEVE)
    assert gathering.enough and not gathering.patience_over


@pytest.mark.parametrize("protocol", ["dpsgd", "push"])
def test_a_quorum_of_so_many_begins_when_they_are_there(protocol: str) -> None:
    gossip = {"protocol": protocol, "start": {"quorum": 6, "patience": 600}}
    swarm = run(contract_of(RING, 8, 20, gossip), apart(8), idle, absent(2, 3, until=30.0))
    assert max(began for peer, began in swarm.began.items() if peer not in (2, 3)) < 5
    assert all(swarm.missing[peer] == {2, 3} for peer in range(8) if peer not in (2, 3))


def test_who_comes_later_joins_where_the_others_are() -> None:
    gossip = {"start": {"patience": 10}}
    swarm = run(contract_of(RING, 6, 60, gossip), apart(6), idle, absent(3, until=40.0))
    first = swarm.mixed[3][0].round
    assert 20 < first < 40
    assert swarm.finished[3].skipped == first and swarm.finished[3].rounds == 60 - first
    assert swarm.began[3] - 40 < 3, "it waits for nobody"
    assert all(mixed.weights for mixed in swarm.mixed[3][3:])


@pytest.mark.few(2)
@pytest.mark.parametrize("slow", [{}, {2: 10.0}], ids=["alike", "beside a slow one"])
@pytest.mark.parametrize("protocol", ["dpsgd", "overlap", "gradient_tracking"])
@pytest.mark.parametrize("gap_s", [0.1, 1.2])
def test_of_those_who_come_one_after_the_other_none_is_sent_further_than_rounds_have_passed(
    protocol: str, gap_s: float, slow: dict[int, float]
) -> None:
    """Each had been told to begin after the round that the one before it was in, and was ahead by so many."""
    late = {peer: 20.3 + gap_s * (peer - 3) for peer in range(3, 9)}
    contract = contract_of(RING, 12, 30, {"protocol": protocol, "start": {"patience": 5}, "deadline": {"min_s": 15}})
    swarm = run(contract, apart(12), idle, FaultModel(late=late, slow=slow))
    first = [swarm.mixed[peer][0].round for peer in late]
    assert first[0] <= (2 if slow else 17)
    assert all(there - first[0] <= round(gap_s * k) + 1 for k, there in enumerate(first)), first
    assert not any(finish.alone for finish in swarm.finished.values())


def test_a_mute_neighbour_delays_the_start_by_no_more_than_the_patience() -> None:
    swarm = run(contract_of(RING, 5, 3, {"start": {"patience": 20}}), apart(5), idle, liars={1: Mute})
    assert max(swarm.began.values()) <= 21


def test_ids_that_nobody_has_are_neither_kept_nor_passed_on() -> None:
    """A liar names a hundred million: each would be told to everybody by everybody."""
    members = Membership({1})
    members.came_up(1)
    settings = Settings(StopRule(3), 1.0, 2.0, 3.0, 60.0, everyone=frozenset(range(40)), quorum=40)
    gathering = Gathering(0, members, settings, 0)
    for chunk in [0, *range(2, 2000), MAX_ROUND]:
        gathering.hear(0.0, 1, Message(Kind.PRESENT, chunk, (1 << 31) - 1))
    told = [each.message for each in gathering.rang(1.0, Timer.TELL) if isinstance(each, Send)]
    assert told == [Message(Kind.PRESENT, 0, (1 << 31) - 1)]
    assert gathering.missing == frozenset(range(31, 40))


def test_who_waits_tells_the_same_at_one_pace_however_many_have_come() -> None:
    members = Membership({1})
    members.came_up(1)
    settings = Settings(StopRule(3), 1.0, 2.0, 3.0, 600.0, everyone=frozenset(range(31)), quorum=31)
    gathering = Gathering(0, members, settings, 0)
    timers: list[float] = []
    told: list[tuple[float, Message]] = []

    def perform(now: float, actions: list[Action]) -> None:
        timers.extend(each.at for each in actions if isinstance(each, SetTimer) and each.timer is Timer.TELL)
        told.extend((now, each.message) for each in actions if isinstance(each, Send))

    def tell_until(end: float) -> None:
        while timers and min(timers) < end:
            timers.remove(now := min(timers))
            perform(now, gathering.rang(now, Timer.TELL))

    for peer in range(1, 30):
        tell_until(0.3 * peer)
        perform(0.3 * peer, gathering.hear(0.3 * peer, 1, Message(Kind.PRESENT, 0, 1 << peer)))
    tell_until(100.0)
    assert all(any(0 <= at - 0.3 * peer < 0.1 and one.at >> peer & 1 for at, one in told) for peer in range(1, 30))
    late = [at for at, _ in told if at > 10]
    assert 85 <= len(late) <= 91, "once a second"


# -- alone -------------------------------------------------------------------------------------------------------------


def lonely(alone: str) -> Contract:
    return contract_of({"kind": "line"}, 2, 20, {"alone": alone, "start": {"patience": 50}})


def step(peer: int, round: int, params: Vector) -> Vector:
    return params + np.float32(1)


@pytest.mark.parametrize("protocol", ALL)
def test_who_trains_alone_says_so(protocol: str) -> None:
    contract = contract_of({"kind": "line"}, 2, 20, {"protocol": protocol})
    swarm = run(contract, apart(2), step, FaultModel(crashes=(Crash(5.5, 1),), silence_s=0.2))
    alone = [mixed.round for mixed in swarm.mixed[0] if mixed.alone]
    assert len(alone) >= 10 and swarm.finished[0].alone == len(alone) and not swarm.finished[0].is_whole
    assert swarm.finished[0].rounds == 20


def test_who_waits_goes_on_when_company_returns() -> None:
    swarm = run(lonely("wait"), apart(2), step, FaultModel(crashes=(Crash(5.5, 1, 30.0),), silence_s=0.2))
    assert sum(mixed.alone for mixed in swarm.mixed[0]) <= 1
    assert all(swarm.finished[peer].reason == "rounds" for peer in range(2))
    assert all(mixed.weights for mixed in swarm.mixed[0][-10:])


def test_who_waits_in_vain_ends_and_says_why() -> None:
    swarm = run(lonely("wait"), apart(2), step, FaultModel(crashes=(Crash(5.5, 1),), silence_s=0.2))
    finish = swarm.finished[0]
    assert finish.reason == "alone" and finish.rounds < 10
    assert finish.rounds + finish.skipped == 20, "what it has not trained of the contract's rounds is no success"


class Leaves(Liar):
    """Says goodbye in its third round."""

    def say(self, now: float, send: Send) -> list[Send]:
        leaves = send.message.kind is Kind.OFFER and send.message.round == 2
        return [send, Send(send.to, Message(Kind.LEAVE, 2, 2))] if leaves else [send]


@pytest.mark.parametrize(
    ("rules", "are_behind"), [({}, True), ({"patience": {"rounds": 1000, "of": "everyone"}}, False)]
)
def test_who_is_left_has_left_rounds_out_unless_the_contract_lets_peers_end_before_the_last(
    rules: dict[str, Any],
    are_behind: bool,
) -> None:
    contract = contract_of({"kind": "line"}, 2, 20, {"alone": "wait", "start": {"patience": 50}, **rules})
    finish = run(contract, apart(2), step, liars={1: Leaves}).finished[0]
    assert finish.reason == "alone" and 0 < finish.rounds < 20
    assert finish.rounds + finish.skipped == (20 if are_behind else finish.rounds)


@pytest.mark.parametrize("protocol", ALL)
def test_whose_neighbour_is_silent_waits_although_the_link_stands(protocol: str) -> None:
    """The link of one that sleeps stands for a while: short rounds went on alone for so long."""
    gossip = {
        "protocol": protocol,
        "alone": "wait",
        "start": {"patience": 60},
        "deadline": {"min_s": 0.5, "max_s": 2.0},
    }
    contract, short = contract_of({"kind": "line"}, 2, 60, gossip), (0.1, 0.1)
    asleep = FaultModel(crashes=(Crash(2.05, 1, 40.0),), silence_s=20.0, compute_s=short)
    swarm = run(contract, apart(2), step, asleep)
    assert swarm.finished[0].reason == "rounds" and len(swarm.mixed[1]) >= 50, "both went on"
    assert sum(mixed.alone for mixed in swarm.mixed[0]) <= 1
    forever = FaultModel(crashes=(Crash(2.05, 1),), silence_s=20.0, compute_s=short)
    last = run(contract, apart(2), step, forever).finished[0]
    assert last.reason == "alone" and last.rounds <= 22 and last.alone <= 1


def test_a_lossy_line_stops_nobody_for_good() -> None:
    """Both wait for a word, and either's question is the other's; one that is lost is asked again."""
    contract = contract_of({"kind": "line"}, 2, 30, {"alone": "wait", "start": {"patience": 600}})
    swarm = run(contract, apart(2), step, FaultModel(LinkQuality(loss=0.1), silence_s=20.0))
    assert all((finish.reason, finish.rounds) == ("rounds", 30) for finish in swarm.finished.values())
    assert swarm.finished[0].alone and max(swarm.left.values()) < 100


def test_skipped_rounds_are_counted() -> None:
    crash = FaultModel(crashes=(Crash(4.5, 2, 20.0),), silence_s=0.2)
    swarm = run(contract_of(RING, 5, 30, {}), apart(5), step, crash)
    finish, trained = swarm.finished[2], len({mixed.round for mixed in swarm.mixed[2]})
    assert finish.skipped > 5 and finish.rounds == trained == 30 - finish.skipped
    assert all(swarm.finished[peer].is_whole for peer in (0, 1, 3, 4))


def test_a_link_that_comes_up_last_is_waited_for_although_all_are_known_to_be_there() -> None:
    """On a ring news of both ends of a slow link go round the other way, and come sooner than the link."""
    slow = FaultModel(links={(0, 6): LinkQuality(latency_s=(0.7, 0.7))})
    swarm = run(contract_of(RING, 7, 6, {}), apart(7), idle, slow)
    assert all(finish.is_whole for finish in swarm.finished.values())
    assert not any(mixed.missing for rounds in swarm.mixed.values() for mixed in rounds)


def test_news_that_come_in_one_moment_are_told_in_one() -> None:
    """Each piece had set a timer of its own: a hundred peers said a hundred thousand words before they began."""
    members = Membership({1})
    members.came_up(1)
    settings = Settings(StopRule(3), 1.0, 2.0, 3.0, 600.0, everyone=frozenset(range(31)), quorum=31)
    gathering = Gathering(0, members, settings, 0)

    def hear(peer: int) -> int:
        actions = gathering.hear(0.001 * peer, 1, Message(Kind.PRESENT, 0, 1 << peer))
        return sum(isinstance(each, SetTimer) and each.timer is Timer.TELL for each in actions)

    assert [hear(peer) for peer in range(2, 20)] == [1] + [0] * 17
    [told] = [each.message for each in gathering.rang(0.05, Timer.TELL) if isinstance(each, Send)]
    assert told.at == (1 << 20) - 1
    assert hear(20) == 1, "later news are told later"

"""The layers around a core, action by action over a core that plays a script: changes on the way, and who comes new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from p2pfl_me.gossip.doubts import Doubts
from p2pfl_me.gossip.final import Final
from p2pfl_me.gossip.hand_out import Place
from p2pfl_me.gossip.kind import Start
from p2pfl_me.gossip.newcomer import MOST_KEPT, UNMET, Newcomer
from p2pfl_me.gossip.protocol import Action, Finish, Leave, Mixed, Refuse, Send, SetTimer, Timer, Train
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.gossip.turning import TURNED, Turning
from p2pfl_me.message import MAX_WEIGHT, Kind, Message

MODEL = np.arange(4, dtype=np.float32)
GOODBYE = Send(1, Message(Kind.LEAVE, 3, 3))
WORD = Send(1, Message(Kind.WORK, 0, 1))


class Scripted:
    """A core that says what it is told to say, and remembers what it was told."""

    waiting_for = frozenset({1})

    def __init__(self, *says: Sequence[Action]) -> None:
        self.says, self.heard = [list(each) for each in says], list[tuple[Any, ...]]()

    def __getattr__(self, name: str) -> Callable[..., list[Action]]:
        def called(*given: Any) -> list[Action]:
            self.heard.append((name, *given))
            return self.says.pop(0) if self.says else []

        return called


def mixed(round: int, *, alone: bool = False) -> Mixed:
    return Mixed(round, MODEL + round, {}, {}, {}, 0.0, alone=alone)


def turning(core: Scripted, completed: int = 2, newcomers: frozenset[int] = frozenset()) -> Turning:
    return Turning(core, (1, 2), Place(MODEL, completed, Progress()), Final(4), newcomers, 9)  # type: ignore[arg-type]


def test_a_change_ends_a_core_that_is_between_two_rounds_at_once_and_a_busy_one_before_the_round() -> None:
    for due, ends in ((2, True), (3, False)):
        core = Scripted([Finish("stopped", 2), GOODBYE])
        assert turning(core).on_timer(1.0, Timer.VIEW, due) == ([Finish(TURNED, 2)] if ends else [])
        assert core.heard == ([("on_stop", 1.0)] if ends else [])
    busy = Scripted([Train(2, MODEL)], [mixed(2)], [WORD, SetTimer(Timer.VIEW, 3, 9.0), Train(3, MODEL)])
    busy.says.append([Finish("stopped", 3, alone=1)])
    it = turning(busy)
    assert it.start(0.0) == [Train(2, MODEL)] and it.on_timer(0.5, Timer.VIEW, 2) == []
    assert it.on_timer(0.6, Timer.VIEW, 3) == [], "another in its place counts"
    assert _rounds(it.on_trained(1.0, MODEL)) == [(2, False)]
    assert it.on_evaluated(2.0, 0.5) == [WORD, Finish(TURNED, 3, alone=1)]
    assert [name for name, *_ in busy.heard] == ["start", "on_trained", "on_evaluated", "on_stop"]
    assert it.on_timer(3.0, Timer.VIEW, 1) == [], "it is over once"


def test_another_change_may_come_in_the_place_of_one_and_who_is_called_stays_called() -> None:
    for rung, ends in (((2, 4), False), ((4, 2), True), ((4, 0), True), ((0, 4), True)):
        core = Scripted([Train(2, MODEL)], [mixed(2)], [Train(3, MODEL)], [Finish("stopped", 3)])
        it = turning(core)
        it.start(0.0)
        for due in rung:
            assert it.on_timer(0.5, Timer.VIEW, due) == []
        it.on_trained(1.0, MODEL)
        assert it.on_evaluated(2.0, 0.5) == ([Finish(TURNED, 3)] if ends else [Train(3, MODEL)]), rung


def test_rounds_that_nobody_shared_since_others_went_on_count_as_none_alone() -> None:
    script = [mixed(1, alone=True)], [mixed(2, alone=True)], [Finish("stopped", 3, alone=2)]
    it = turning(Scripted(*script), completed=1)
    it.on_timer(0.0, Timer.VIEW, 3)
    assert _rounds(it.on_trained(1.0, MODEL)) == [(1, True)], "before the change it was left alone"
    assert _rounds(it.on_trained(2.0, MODEL)) == [(2, False)]
    assert it.on_stop(3.0) == [Finish("stopped", 3, alone=1)]


def test_who_is_done_and_stays_goes_on_where_the_change_brings_rounds() -> None:
    done, stays = Finish("rounds", 3, stays_s=60.0), Finish(TURNED, 3)
    for reason, due, found in (("rounds", 3, [stays]), ("rounds", 4, []), ("patience", 3, []), ("time", 2, [])):
        core = Scripted([Finish(reason, 3, stays_s=60.0), GOODBYE])
        it = turning(core, completed=3)
        assert it.on_stop(0.0) == [Finish(reason, 3, stays_s=60.0), GOODBYE]
        assert it.on_timer(1.0, Timer.VIEW, due) == found
        assert it.on_timer(2.0, Timer.VIEW, due) == [], "once"
    left = turning(Scripted([done], [Leave()]), completed=3)
    left.on_stop(0.0)
    assert left.on_stop(1.0) == [Leave()] and left.on_timer(2.0, Timer.VIEW, 3) == []
    turned = turning(Scripted([GOODBYE, WORD, Leave(), done]), completed=3)
    turned.on_timer(0.0, Timer.VIEW, 4)
    assert turned.on_stop(1.0) == [GOODBYE, WORD, Leave(), done], "the change comes later than its end"


def test_a_newcomer_is_given_the_last_model_once_over_each_link_and_nobody_else_is() -> None:
    core = Scripted()
    it = turning(core, newcomers=frozenset({1, 7}))
    want = Message(Kind.WANT, 0)
    assert _is_final(it.on_message(0.0, 1, want), 9, 2)
    assert it.on_message(1.0, 1, want) == [] and core.heard == []
    it.on_message(1.5, 2, want)
    it.on_message(1.5, 7, want)
    assert [each[2] for each in core.heard] == [2, 7], "who is no newcomer, or no neighbour, is the core's"
    it.on_peer(2.0, 1, True)
    assert it.on_message(2.5, 1, want) == []
    it.on_peer(3.0, 1, False)
    assert _is_final(it.on_message(4.0, 1, want), 9, 2)
    core.says = [[Finish("rounds", 3)]]
    it.on_stop(5.0)
    it.on_peer(6.0, 1, False)
    assert it.on_message(7.0, 1, want) == [] and core.heard[-1] == ("on_message", 7.0, 1, want)


def _rounds(actions: list[Action]) -> list[tuple[int, bool]]:
    return [(each.round, each.alone) for each in actions if isinstance(each, Mixed)]


def _is_final(actions: list[Action], round: int, at: int) -> bool:
    (action,) = actions
    assert isinstance(action, Send) and action.message.params is not None
    np.testing.assert_array_equal(action.message.params, MODEL)
    return (action.message.kind, action.message.round, action.message.at) == (Kind.FINAL, round, at)


@pytest.mark.parametrize(
    ("value", "is_one"),
    [(9_999.0, True), (-9_999.0, True), (1.001 * MAX_WEIGHT, False), (np.nan, False), (-np.inf, False)],
)
def test_a_final_model_is_finite_and_within_the_bound(value: float, is_one: bool) -> None:
    content = np.array([1, value, 3, 4], np.float32)
    found = Final(4).unpacked(content, MODEL)
    assert (found is not None) == is_one and (found is None or np.array_equal(found, content))
    assert Final(4).unpacked(content.astype(np.float64), MODEL) is None  # type: ignore[arg-type]
    assert Final(6).packed(MODEL).tolist() == [0, 1, 2, 3, 0, 0]


def test_who_breaks_its_word_is_not_relied_on_for_twice_as_long_each_time_and_32_rounds_at_most() -> None:
    doubts = Doubts()
    for times in range(1, 9):
        doubts.broken(3, 100 * times)
        lasts = min(2 ** (times - 1), 32)
        assert doubts.at(100 * times + lasts).keys() == {3} and not doubts.at(100 * times + lasts + 1)
    doubts.kept(4)
    doubts.kept(3)
    assert not doubts.at(0)
    doubts.broken(3, 50)
    assert doubts.at(51).keys() == {3} and not doubts.at(52)


def newcomer(core: Scripted, made: list[Start], waits_s: float | None = None, completed: int = 4) -> Newcomer:
    def make(start: Start) -> Any:
        made.append(start)
        return core

    return Newcomer(make, (1, 2, 3), Start(MODEL, completed), Final(4), rounds=9, gathers_s=5.0, waits_s=waits_s)


WANT = Message(Kind.WANT, 0)


def test_a_newcomer_asks_whom_it_is_linked_with_until_it_has_a_model_and_gives_up_in_time() -> None:
    it = newcomer(Scripted(), [], 30.0)
    assert it.waiting_for == {1, 2, 3}
    assert it.start(100.0) == [SetTimer(Timer.HAND_OUT, 0, 130.0)] and newcomer(Scripted(), []).start(100.0) == []
    assert it.on_peer(101.0, 2, True) == [Send(2, WANT)] and it.on_peer(101.0, 9, True) == []
    assert it.on_peer(102.0, 2, False) == [] and it.on_evaluated(103.0, None) == []
    assert it.on_trained(103.0, MODEL) == [] and it.on_timer(104.0, Timer.VIEW, 5) == []
    assert it.on_message(105.0, 2, Message(Kind.FINAL, 9, 6, MODEL)) == [], "its link has gone"
    assert it.on_timer(130.0, Timer.HAND_OUT, 0) == [Finish(UNMET, 0)]
    assert it.on_timer(131.0, Timer.HAND_OUT, 0) == [] and it.on_peer(132.0, 1, True) == []
    assert it.on_message(133.0, 1, Message(Kind.FINAL, 9, 6, MODEL)) == []
    assert newcomer(Scripted(), []).on_stop(1.0) == [Finish("stopped", 0)]


@pytest.mark.parametrize(
    ("claims", "sender", "begins"),
    [
        ({}, 1, 6),  # the giver's own word, where nobody said anything
        ({1: 5}, 1, 5),  # what it said when it greeted counts before that
        ({1: 99, 2: 99}, 1, 4),  # who is beyond the last round counts for nothing
        ({1: 7, 2: 4, 3: 4}, 1, 4),  # one of three sends it nowhere
        ({1: 7, 2: 6, 3: 4}, 1, 6),
    ],
)
def test_a_newcomer_begins_where_most_of_those_who_are_there_say(
    claims: dict[int, int], sender: int, begins: int
) -> None:
    made: list[Start] = []
    core = Scripted()
    it = newcomer(core, made)
    for peer in sorted({sender, *claims}):
        it.on_peer(0.0, peer, True)
    for peer, at in claims.items():
        it.on_message(0.5, peer, Message(Kind.HELLO, at, at))
    other = MODEL + np.float32(2)
    assert it.on_message(1.0, sender, Message(Kind.FINAL, 9, 6, other * np.float32(np.nan))) == [
        Refuse(sender, "a model to begin with that is none")
    ]
    (taken,) = it.on_message(1.5, sender, Message(Kind.FINAL, 9, 6, other))
    assert isinstance(taken, Mixed) and (taken.round, taken.weights, taken.handed) == (begins - 1, {sender: 1.0}, True)
    assert taken.distance == {sender: pytest.approx(4 / np.sqrt(14))}
    np.testing.assert_array_equal(taken.params, other)
    assert it.on_message(1.6, sender, Message(Kind.FINAL, 9, 6, other)) == [], "it has one"
    it.on_timer(1.7, Timer.VIEW, 8)
    assert it.on_timer(1.8, Timer.HAND_OUT, 0) == [] and not made
    it.on_evaluated(2.0, 0.5)
    (start,) = made
    assert start.completed == begins and start.progress == Progress(joined=begins) and start.params is taken.params
    assert start.gathers_s == (5.0 if begins == 4 else None)
    linked = sorted({sender, *claims})
    first = [("start", 2.0), ("on_timer", 2.0, Timer.VIEW, 8), *(("on_peer", 2.0, peer, True) for peer in linked)]
    assert core.heard[: len(first)] == first
    assert [each[2] for each in core.heard[len(first) :]] == sorted(claims)
    core.heard.clear()
    it.on_evaluated(3.0, None)
    it.on_trained(3.0, MODEL)
    it.on_message(3.0, 9, WANT)
    it.on_timer(3.0, Timer.VIEW, 0)
    it.on_peer(3.0, 1, False)
    it.on_stop(3.0)
    names = ["on_evaluated", "on_trained", "on_message", "on_timer", "on_peer", "on_stop"]
    assert [name for name, *_ in core.heard] == names and it.waiting_for == {1}


@pytest.mark.parametrize(
    ("others", "weights"),
    [
        (set(), {2: 1 / 3, 3: 1 / 3}),
        ({3}, {1: 1 / 3, 2: 1 / 3}),  # who joins with it is no witness
        ({1, 3}, {2: 1.0}),  # there is no other
        ({1, 2, 3}, {3: 1.0}),
    ],
    ids=["alone", "one more", "two more", "all"],
)
def test_under_a_rule_a_newcomer_begins_with_no_single_model(others: set[int], weights: dict[int, float]) -> None:
    """A liar had only to be first: under `balance` who begins with zeros takes nobody's model any more."""
    start = Start(MODEL, 4, newcomers=frozenset(others))
    it = Newcomer(lambda start: Scripted(), (1, 2, 3), start, Final(4), 9, 5.0, averages=False)
    for peer in (1, 2, 3):
        it.on_peer(0.0, peer, True)
    taken = [it.on_message(1.0, peer, Message(Kind.FINAL, 9, 5, MODEL * np.float32(3 - peer))) for peer in (3, 2, 1)]
    (mixed,) = [each for actions in taken for each in actions if isinstance(each, Mixed)]
    assert mixed.weights == pytest.approx(weights) and mixed.distance.keys() == weights.keys()
    if 3 not in others:
        np.testing.assert_array_equal(mixed.params, MODEL)


def test_with_one_neighbour_a_newcomer_begins_with_its_model_under_a_rule_too() -> None:
    it = Newcomer(lambda start: Scripted(), (1,), Start(MODEL, 4), Final(4), 9, 5.0, averages=False)
    it.on_peer(0.0, 1, True)
    (mixed,) = it.on_message(1.0, 1, Message(Kind.FINAL, 9, 5, MODEL * np.float32(2)))
    assert isinstance(mixed, Mixed)
    np.testing.assert_array_equal(mixed.params, MODEL * np.float32(2))


def test_what_neighbours_say_meanwhile_is_kept_for_the_core_the_last_of_each() -> None:
    core = Scripted()
    it = newcomer(core, [])
    for peer in (2, 1):
        it.on_peer(0.0, peer, True)
    for number in range(MOST_KEPT + 3):
        it.on_message(1.0, 2, Message(Kind.WORK, number, 1))
    it.on_message(1.0, 1, Message(Kind.FINAL, 9, 6, MODEL))
    it.on_message(1.0, 1, Message(Kind.WORK, 7, 1))
    it.on_evaluated(2.0, None)
    said = [(peer, message.round) for name, _, peer, message in core.heard[3:] if name == "on_message"]
    assert said == [(1, 7), *((2, number) for number in range(3, MOST_KEPT + 3))]


def test_of_the_models_that_a_neighbour_sends_meanwhile_the_last_is_kept_beside_its_words() -> None:
    core = Scripted()
    it = newcomer(core, [])
    for peer in (2, 1):
        it.on_peer(0.0, peer, True)
    for number in range(9):
        it.on_message(1.0, 2, Message(Kind.OFFER, number, number, MODEL))
        it.on_message(1.0, 2, Message(Kind.WORK, number, 1))
    it.on_message(1.0, 1, Message(Kind.FINAL, 9, 6, MODEL))
    it.on_evaluated(2.0, None)
    said = [(message.kind, message.round) for name, _, _, message in core.heard[3:] if name == "on_message"]
    assert said == [*((Kind.WORK, number) for number in range(8)), (Kind.OFFER, 8), (Kind.WORK, 8)]

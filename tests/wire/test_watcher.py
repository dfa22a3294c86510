"""Silence, others' eyes, and one's own lateness: told with names, and nothing follows from any of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.wire import watcher
from p2pfl_me.wire.complaints import MUTE, NO_ANSWER
from p2pfl_me.wire.endpoint import Meeting, Sighted, Starved, Unreachable
from p2pfl_me.wire.links import Liveness
from p2pfl_me.wire.sightings import ASKED, MOST, TOLD, Seen, Sight, Sightings
from p2pfl_me.wire.watcher import Watcher
from tests.wire.peers import QUICK, Recorder, Swarm
from tests.wire.raw import Tap
from tests.wire.spies import LIVENESS, Bench

WATCHFUL = Liveness(ping_s=0.05, silence_s=4.0, retry_s=0.05, resume_s=0.2)


def answered(asked: Sightings, asking: Sightings, peer: int, sight: Sight) -> Seen | None:
    asking.ask(peer)
    question = asking.next()
    assert question is not None and asked.hear(*question) is None and asked.asked() == [peer]
    asked.tell(Seen(peer, sight, 1.5))
    answer = asked.next()
    assert answer is not None and asked.is_idle
    return asking.hear(*answer)


@pytest.mark.parametrize("sight", list(Sight))
def test_a_question_is_answered_once(sight: Sight) -> None:
    one, other = Sightings(), Sightings()
    assert answered(other, one, 7, sight) == Seen(7, sight, 1.5) == answered(other, one, 7, sight)
    assert one.is_idle and one.next() is None


def test_what_nobody_asked_and_what_nobody_says_is_refused() -> None:
    one, liar = Sightings(), Sightings()
    liar.ask(3)
    for kind, payload in ((TOLD, bytes(9)), (TOLD, b""), (ASKED, b"123"), (TOLD, b"\0\0\0\x03\x09" + bytes(4))):
        with pytest.raises(WireError):
            one.hear(kind, payload)
    one.ask(3)
    one.next()
    with pytest.raises(WireError, match="which nobody asked"):
        one.hear(TOLD, b"\0\0\0\x03\x09" + bytes(4))
    assert one.hear(TOLD, b"\0\0\0\x03\x02" + bytes(4)) == Seen(3, Sight.GONE, 0.0)
    with pytest.raises(WireError, match="which nobody asked"):
        one.hear(TOLD, b"\0\0\0\x03\x02" + bytes(4))


def test_questions_without_end_are_bounded_at_both_ends() -> None:
    one, flood = Sightings(), Sightings()
    for peer in range(MOST):
        one.hear(ASKED, peer.to_bytes(4, "big"))
    with pytest.raises(WireError, match="again and again"):
        one.hear(ASKED, b"\1\0\0\0")
    for peer in range(3 * MOST):
        flood.ask(peer)
    assert len(list(iter(flood.next, None))) == MOST


def test_one_that_falls_silent_is_suspect_and_named_with_who_hears_it_until_it_is_heard_again() -> None:
    async def scene() -> None:
        swarm, told = Swarm(3), [Recorder() for _ in range(3)]
        frozen = False
        tap = Tap(swarm.addresses[2])
        true, through = swarm.addresses[2], await tap.open()

        async def wait() -> None:
            while frozen:
                await asyncio.sleep(0.01)

        tap.pause = wait
        links = []
        for me in range(3):
            swarm.addresses[2] = through if me == 0 else true
            others = [each for each in range(3) if each != me]
            links.append(swarm.links(me, others, told[me], liveness=WATCHFUL if me == 0 else QUICK))
        for each in links:
            await each.start()
        for me in range(3):
            others = [each for each in range(3) if each != me]
            await told[me].until(lambda me=me, others=others: all(told[me].is_up(each) for each in others))  # type: ignore[misc]
        frozen = True
        await told[0].until(lambda: Sighted(2, True, {1: "up"}) in told[0].news)
        frozen = False
        await told[0].until(lambda: Sighted(2, False, {}, heard=True) in told[0].news)
        assert [up for _, up, _ in told[0].links] == [True, True], "silence that ends is no end of a link"
        frozen = True
        await told[0].until(lambda: (2, False, "silent for 4 s") in told[0].links)
        await told[0].until(lambda: told[0].news[-1] == Sighted(2, False, {1: "up"}))
        assert not told[0].refused and [up for _, up, _ in told[1].links] == [True, True]
        for each in links:
            await each.close()
        await tap.close()

    asyncio.run(scene())


def test_a_peer_whose_own_links_got_no_time_blames_itself_and_no_neighbour() -> None:
    async def scene() -> None:
        swarm, here, there = Swarm(2), Recorder(), Recorder()
        short = Liveness(ping_s=0.05, silence_s=0.4, retry_s=0.05, resume_s=0.2)
        low, high = swarm.links(0, [1], here, liveness=short), swarm.links(1, [0], there)
        await high.start()
        await low.start()
        await here.until(lambda: here.is_up(1))
        low._reactor.post(lambda: time.sleep(1.5))  # as a machine does that has no time for it
        await here.until(lambda: any(isinstance(each, Starved) for each in here.news))
        (news,) = (each for each in here.news if isinstance(each, Starved))
        assert news.seconds > 1.0
        assert [up for _, up, _ in here.links] == [True]
        await low.close()
        await high.close()

    asyncio.run(scene())


def test_one_that_cannot_be_reached_is_named_with_address_and_error_within_a_moment() -> None:
    async def scene() -> None:
        swarm, here = Swarm(2), Recorder()
        low = swarm.links(0, [1], here)
        await low.start()
        await here.until(lambda: bool(here.news), timeout_s=20)
        assert here.news == [Unreachable(1, f"{swarm.addresses[1]}: refused or unreachable")]
        await low.close()

    asyncio.run(scene())


# -- step by step, on a clock of the test's ---------------------------------------------------------------------------


class Steps:
    """The watcher of one multiplexer with neighbours 1 and 2, both linked, and what it has told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench = Bench(monkeypatch)
        self.told: list[object] = []
        monkeypatch.setattr(watcher, "time", SimpleNamespace(monotonic=lambda: self.bench.now))
        self.one, self.two = self.bench.one, self.bench.two
        neighbours = {1: self.one, 2: self.two}
        self.it = Watcher(neighbours, LIVENESS, self.bench.reactor, self.told.append)  # type: ignore[arg-type]
        for each in (self.one, self.two):
            self.bench.link(each)
            self.it.up(each)
        self.bench.reactor.calls.clear()

    def later(self) -> float:
        """Make the last call that was put off; after how long it was due."""
        _, delay, call = self.bench.reactor.calls.pop()
        call()
        return float(delay)

    def answer(self, sight: Sight, about: int = 1) -> None:
        self.two.session.seen.append(Seen(about, sight, 0.0))
        self.it.take(self.two, self.bench.now)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    found = Steps(monkeypatch)
    yield found
    found.bench.it.traffic.close()


def test_a_quarter_of_the_silence_is_asked_about_and_told_with_names(steps: Steps) -> None:
    steps.one.heard = 100.0
    steps.it.look(steps.one, 105.0)
    assert not steps.bench.reactor.calls and steps.two.session.sightings.is_idle
    steps.it.look(steps.one, 105.1)
    steps.it.look(steps.one, 106.0)
    assert len(steps.bench.reactor.calls) == 1 and steps.two.session.sightings.next() is not None
    assert steps.one.session.sightings.is_idle, "who is silent is not asked about itself"
    steps.answer(Sight.UP)
    steps.answer(Sight.NOTHING, about=77)
    assert steps.two.session.seen == []
    assert steps.later() == 2.0 and steps.told == [Sighted(1, True, {2: "up"})]
    steps.answer(Sight.GONE)
    assert steps.later() == 30.0 and steps.later() == 2.0, "asked again"
    assert steps.told[1:] == [Sighted(1, True, {})], "answers of before count no more"
    assert steps.later() == 60.0 and steps.later() == 2.0 and len(steps.told) == 2, "and nothing new is told"
    for due in (120.0, 240.0, 480.0, 600.0, 600.0):
        assert steps.later() == due and steps.later() == 2.0
    again = steps.bench.reactor.calls.pop()
    steps.one.heard = steps.one.connection.heard_at = 106.0
    steps.it.look(steps.one, 107.0)
    assert steps.told[2:] == [Sighted(1, False, {}, heard=True)]
    again[2]()
    assert not steps.bench.reactor.calls, "nobody is asked any more after one that is heard"


def test_one_that_was_silent_and_is_given_up_is_not_heard_again(steps: Steps) -> None:
    """A stopped peer, in a ring: no other has it as a neighbour, and its link falls with nobody's word."""
    steps.it.look(steps.one, steps.one.heard + 5.1)
    assert steps.later() == 2.0 and steps.told == [Sighted(1, True, {})]
    steps.one.connection = None
    steps.it.down(steps.one, 120.0, parted=False)
    assert steps.later() == 2.0 and len(steps.told) == 1, "that it is down has been said"
    assert steps.later() == 60.0
    steps.answer(Sight.UP)
    assert steps.later() == 2.0 and steps.later() == 120.0 and steps.later() == 2.0
    assert steps.told[1:] == [Sighted(1, False, {2: "up"}), Sighted(1, False, {})], "who has seen it sees it no more"


def test_that_nobody_reads_is_no_sign_of_life(steps: Steps) -> None:
    steps.it.look(steps.one, steps.one.heard + 5.1)
    steps.later()
    steps.one.heard += 6.0  # as of all, while this peer has more to do than it can
    steps.it.look(steps.one, steps.one.heard)
    assert steps.told == [Sighted(1, True, {})]
    steps.one.connection.heard_at = steps.one.heard
    steps.it.look(steps.one, steps.one.heard)
    assert steps.told[1:] == [Sighted(1, False, {}, heard=True)]


def test_an_older_question_means_nothing_and_one_that_left_is_not_asked_about(steps: Steps) -> None:
    steps.one.connection = None
    steps.it.down(steps.one, 110.0, parted=False)
    first = steps.bench.reactor.calls.pop()
    steps.it.down(steps.one, 111.0, parted=False)
    first[2]()
    assert not steps.told
    steps.answer(Sight.NOTHING)
    assert steps.later() == 2.0 and not steps.told, "gone, and nobody else is asked: that is no news"
    again = steps.bench.reactor.calls.pop()
    steps.it.up(steps.one)
    again[2]()
    assert not steps.bench.reactor.calls
    steps.it.down(steps.one, 120.0, parted=True)
    assert not steps.bench.reactor.calls
    steps.one.quarantined = True
    steps.it.down(steps.one, 120.0, parted=False)
    assert not steps.bench.reactor.calls


def test_questions_of_a_link_before_mean_nothing_on_the_next_and_who_is_down_is_not_asked(steps: Steps) -> None:
    steps.one.heard = steps.two.heard = 0.0
    steps.it.look(steps.one, 100.0)
    old = steps.bench.reactor.calls.pop()
    for _ in range(3):
        steps.it.up(steps.one)
        steps.it.look(steps.one, 100.0)
        old[2]()
        assert not steps.told, "another link's question is not over"
    steps.two.session.sightings = Sightings()
    steps.two.is_up = False
    steps.it.look(steps.one, 0.0)
    steps.it.look(steps.one, 100.0)
    assert steps.two.session.sightings.is_idle
    steps.later()
    again = steps.bench.reactor.calls.pop()
    asked = len(steps.bench.reactor.calls)
    steps.one.quarantined = True
    again[2]()
    assert len(steps.bench.reactor.calls) == asked, "nobody asks after whom it will not hear"


def test_what_is_seen_of_another_is_told_to_who_asks(steps: Steps) -> None:
    def seen(now: float) -> Seen:
        return steps.it._seen(1, now)

    steps.one.heard = 100.0
    assert seen(103.0) == Seen(1, Sight.UP, 3.0) and seen(99.0) == Seen(1, Sight.UP, 0.0)
    assert steps.it._seen(9, 103.0) == Seen(9, Sight.NOTHING, 0.0)
    steps.it.look(steps.one, 106.0)
    assert seen(106.0).sight is Sight.GONE, "silent, though the link stands"
    for parted, sight in ((True, Sight.LEFT), (False, Sight.GONE)):
        steps.one.connection = None
        steps.it.down(steps.one, 110.0, parted=parted)
        assert seen(112.5) == Seen(1, sight, 2.5) and seen(109.0) == Seen(1, sight, 0.0)
    steps.two.session.sightings._owed[1] = None
    steps.it.take(steps.two, 111.0)
    assert steps.two.session.sightings.asked() == [] and steps.two.session.sightings.next() is not None


def test_calls_in_vain_are_told_from_the_fourth_on_and_once(steps: Steps) -> None:
    steps.one.unreachable, counts = "a: no route", []
    for failures in range(1, 6):
        steps.one.failures = failures
        steps.it.unreachable(steps.one)
        counts.append(len(steps.told))
    assert steps.told == [Unreachable(1, "a: no route")] and counts == [0, 0, 0, 1, 1]
    steps.one.unreachable = "b: no route"
    steps.it.unreachable(steps.one)
    steps.two.is_former, steps.two.failures, steps.two.unreachable = True, 9, "c"
    steps.it.unreachable(steps.two)
    assert steps.told[1:] == [Unreachable(1, "b: no route")]
    for number in range(20):
        steps.one.unreachable = str(number)
        steps.it.unreachable(steps.one)
    assert len(steps.told) == 5, "five at once, and one a minute"
    for later, whys, told in ((59.0, "ab", ""), (2.0, "cd", "c"), (57.0, "ef", "c"), (3.0, "gh", "cg")):
        steps.bench.now += later
        for why in whys:
            steps.one.unreachable = why
            steps.it.unreachable(steps.one)
        assert "".join(each.why for each in steps.told[5:]) == told  # type: ignore[attr-defined]


@pytest.mark.parametrize("why", [NO_ANSWER, MUTE])
def test_a_call_that_had_all_its_time_in_vain_is_told_at_once(steps: Steps, why: str) -> None:
    steps.one.unreachable, steps.one.failures = f"tcp://lab:1: {why}", 1
    for _ in range(2):
        steps.it.unreachable(steps.one)
    assert steps.told == [Unreachable(1, f"tcp://lab:1: {why}")]


@pytest.mark.parametrize("failures", [0, 1, 4, 9])
def test_one_that_is_not_at_the_relay_yet_is_told_at_once(steps: Steps, failures: int) -> None:
    relays = (Meeting("tcp://relay:1", bytes(32)),)
    steps.one.endpoint = replace(steps.one.endpoint, relays=relays)
    steps.one.unreachable, steps.one.failures = "not there yet", failures
    for _ in range(2):
        steps.it.unreachable(steps.one)
    assert steps.told == [Unreachable(1, "not there yet")]


@pytest.mark.parametrize(("late_s", "lateness", "told"), [(1.0, 0.0, 0), (1.1, 1.1, 0), (5.0, 5.0, 0), (5.1, 5.1, 1)])
def test_how_late_the_own_thread_is_counts_from_a_heartbeat_on(
    steps: Steps, late_s: float, lateness: float, told: int
) -> None:
    assert steps.it.lateness(1e9) == 0.0, "no beat was due"
    steps.it.again(100.0, 0.5, steps.told.clear)
    assert steps.bench.reactor.calls == [("call_later", 0.5, steps.told.clear)]
    assert steps.it.lateness(100.5 + late_s) == pytest.approx(lateness)
    assert len(steps.told) == told
    if told:
        assert isinstance(steps.told[0], Starved) and steps.told[0].seconds == pytest.approx(5.1)
        for _ in range(9):
            steps.it.lateness(100.5 + late_s)
        assert len(steps.told) == 5, "told five times at once"


@pytest.mark.parametrize(
    ("about", "asked"), [(0, range(16)), (5, range(5, 21)), (30, [*range(10, 20), *range(6)][:16])]
)
def test_others_are_asked_for_each_that_is_asked_after(about: int, asked: Any) -> None:
    others: Any = list(range(20)) if about == 30 else list(range(40))
    assert watcher._some(others, about) == list(asked)
    assert watcher._some([], 5) == []

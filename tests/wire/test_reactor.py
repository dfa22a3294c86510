"""The links' thread without sockets: what it does in which order, when it sleeps, how it ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from p2pfl_me.wire.reactor import Reactor
from tests.wire.spies import Spy


class Machine:
    """Has `work` turns to do; time passes only while it waits, and the clock is its own."""

    def __init__(self, work: int = 0) -> None:
        self.now, self.work = 0.0, work
        self.seen: list[str] = []
        self.errors: list[Exception] = []
        self.while_asleep: list[Callable[[], None]] = []

    def turn(self) -> bool:
        self.seen.append("turn")
        self.work -= 1
        return self.work >= 0

    def wait(self, timeout_s: float | None) -> None:
        if self.while_asleep:
            self.seen.append("asleep")
            self.while_asleep.pop(0)()
            return
        assert timeout_s is not None, "nobody would ever wake it"
        self.seen.append(f"slept {timeout_s:g}")
        self.now += timeout_s

    def wake(self) -> None:
        self.seen.append("woken")

    def failed(self, error: Exception) -> None:
        self.errors.append(error)

    def close(self) -> None:
        self.seen.append("closed")


def made(work: int = 0) -> tuple[Machine, Reactor]:
    machine = Machine(work)
    return machine, Reactor(machine, "test", clock=lambda: machine.now)


def test_calls_come_before_turns_and_it_sleeps_only_when_nothing_moves() -> None:
    machine, reactor = made(work=2)
    reactor.post(lambda: machine.seen.append("first"))
    reactor.post(lambda: machine.seen.append("second"))
    machine.while_asleep = [reactor.stop]
    reactor.run()
    assert machine.seen == ["first", "second", "turn", "turn", "turn", "asleep", "woken", "closed"]


def test_timers_ring_in_the_order_of_their_times() -> None:
    machine, reactor = made()

    def begin() -> None:
        reactor.call_later(5, reactor.stop)
        reactor.call_later(2, lambda: machine.seen.append("two"))
        reactor.call_later(1, lambda: reactor.call_later(1, lambda: machine.seen.append("one and one")))

    reactor.post(begin)
    reactor.run()
    assert machine.now == 5
    assert [what for what in machine.seen if what != "turn"] == [
        "slept 1",
        "slept 1",
        "two",
        "one and one",
        "slept 3",
        "closed",
    ]


def test_a_call_posted_by_a_call_lets_the_machine_have_its_turn() -> None:
    machine, reactor = made()
    left = [3]

    def again() -> None:
        left[0] -= 1
        reactor.post(again) if left[0] else reactor.stop()

    reactor.post(again)
    reactor.run()
    assert machine.seen == ["turn"] * 3 + ["closed"]


def test_questions_are_answered_even_by_errors_and_even_too_late() -> None:
    machine, reactor = made()

    def wrong() -> int:
        raise ValueError("no")

    right, bad = reactor.ask_soon(lambda: 6 * 7), reactor.ask_soon(wrong)
    reactor.stop()
    late = reactor.ask_soon(lambda: "late")
    reactor.run()
    assert right.result(0) == 42 and late.result(0) == "late"
    with pytest.raises(ValueError, match="no"):
        bad.result(0)
    with pytest.raises(RuntimeError, match="ended"):
        reactor.ask(lambda: 0).result(0)
    assert machine.errors == []


def test_an_error_ends_it_and_is_told() -> None:
    machine, reactor = made()

    def broken() -> None:
        raise OSError("full disk")

    reactor.post(broken)
    reactor.run()
    assert [str(error) for error in machine.errors] == ["full disk"]
    assert machine.seen == ["closed"]


def test_whoever_joins_waits_for_the_thread() -> None:
    _, reactor = made()
    reactor._thread = thread = Spy()  # type: ignore[assignment]
    reactor.start()
    reactor.join()
    assert thread.names() == ["start", "join"]

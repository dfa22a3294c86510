"""Budgets to the very unit and moment: what is left, when there is more, and who has to go for whom."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfl_me.wire.admission import WaitingRoom, network_of
from p2pfl_me.wire.budget import Bucket
from p2pfl_me.wire.neighbour import HANDSHAKES, MESSAGES, RECORDS


def test_a_burst_at_once_and_then_the_rate() -> None:
    bucket = Bucket(rate=2.0, burst=3.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(100.49) and bucket.take(100.5) and not bucket.take(100.99)
    assert bucket.take(101.0), "what was refused cost nothing"
    assert bucket.take(1000.0, 3.0) and not bucket.take(1000.0, 0.5), "no more than a burst is ever saved up"
    assert not Bucket(2.0, 3.0).take(0.0, 3.5) and Bucket(2.0, 3.0).take(0.0, 3.0)


def test_a_charge_is_always_paid_and_says_for_how_long_nothing_more_should_be_taken() -> None:
    bucket = Bucket(rate=2.0, burst=3.0)
    assert [bucket.charge(0.0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.5, 1.0]
    assert bucket.charge(0.5) == 1.0 and bucket.charge(1.5, 0.0) == 0.0 and bucket.charge(1.5, 4.0) == 2.0


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = Bucket(rate=1.0, burst=1.0)
    assert bucket.take(50.0) and not bucket.take(10.0) and not bucket.take(10.5) and bucket.take(11.0)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 4)), max_size=40))
def test_what_is_taken_stays_below_burst_and_rate(steps: list[tuple[float, float]]) -> None:
    bucket, now, taken = Bucket(rate=2.0, burst=3.0), 0.0, 0.0
    for pause, amount in steps:
        now += pause
        taken += amount * bucket.take(now, amount)
        assert taken <= 3.0 + 2.0 * now + 1e-9


@pytest.mark.parametrize(
    ("limits", "rate", "burst"), [(HANDSHAKES, 1, 10), (RECORDS, 1000, 10_000), (MESSAGES, 200, 2000)]
)
def test_what_a_neighbour_may_cost(limits: tuple[float, float], rate: int, burst: int) -> None:
    bucket = Bucket(*limits)
    assert sum(bucket.take(0.0) for _ in range(burst + 5)) == burst
    assert sum(bucket.take(1.0) for _ in range(rate + 5)) == rate


def test_one_address_calls_64_times_at_once_and_10_times_a_second_and_others_are_not_held_up() -> None:
    room: WaitingRoom[int] = WaitingRoom()
    assert sum(room.admits(0.0, "192.0.2.1") for _ in range(100)) == 64
    assert sum(room.admits(1.0, "192.0.2.1") for _ in range(100)) == 10
    assert sum(room.admits(1.0, "192.0.2.2") for _ in range(100)) == 64
    assert sum(room.admits(1.0, f"2001:db8::{each:x}") for each in range(100)) == 64, "one host may have them all"


def test_all_together_are_looked_at_200_times_at_once_and_1000_times_a_second() -> None:
    room: WaitingRoom[int] = WaitingRoom()
    assert [room.looks(0.0) for _ in range(200)] == [0.0] * 200
    assert room.looks(0.0) == pytest.approx(0.001) and room.looks(0.0) == pytest.approx(0.002)
    assert room.looks(0.003) == 0.0


@pytest.mark.parametrize(("others", "known"), [(1023, True), (1024, False)])
def test_of_1024_addresses_the_one_that_has_not_called_for_longest_is_forgotten(others: int, known: bool) -> None:
    room: WaitingRoom[int] = WaitingRoom()
    assert sum(room.admits(0.0, "192.0.2.1") for _ in range(100)) == 64
    for each in range(others):
        assert room.admits(0.0, f"198.51.{each // 256}.{each % 256}")
    assert room.admits(0.0, "192.0.2.1") != known


def test_who_calls_again_is_not_the_one_that_is_forgotten() -> None:
    room: WaitingRoom[int] = WaitingRoom()
    for host in ("192.0.2.1", "192.0.2.2"):
        assert sum(room.admits(0.0, host) for _ in range(100)) == 64
    room.admits(0.0, "192.0.2.1")
    for each in range(1023):
        room.admits(0.0, f"198.51.{each // 256}.{each % 256}")
    assert not room.admits(0.0, "192.0.2.1") and room.admits(0.0, "192.0.2.2")


def test_of_the_address_that_fills_most_of_the_room_the_longest_waiting_goes() -> None:
    room: WaitingRoom[int] = WaitingRoom(most=4)
    assert [room.enter(one, host) for one, host in enumerate("abba")] == [None] * 4
    room.leave(0)
    assert room.enter(4, "b") is None, "a place was free"
    assert room.enter(5, "c") == 1, "the first of b"
    room.leave(99)
    assert room.enter(6, "a") == 2 and room.enter(7, "b") == 3, "now a has two"
    full: WaitingRoom[int] = WaitingRoom()
    assert [full.enter(one, "a") for one in range(65)] == [None] * 64 + [0]


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("lab.example", "lab.example"),
    ],
)
def test_whom_an_address_is_counted_for(host: str, network: str) -> None:
    assert network_of(host) == network

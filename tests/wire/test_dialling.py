"""How an address becomes numbers, and when a neighbour that does not answer is called again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.dialling import Dialler, Found, look_up, numbers_of
from p2pfl_me.wire.endpoint import Endpoint
from p2pfl_me.wire.neighbour import Neighbour
from p2pfl_me.wire.session import Session
from p2pfl_me.wire.sockets import UNREACHABLE


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("tcp://192.0.2.1:4000", [(socket.AF_INET, ("192.0.2.1", 4000))]),
        ("tcp://[2001:db8::1]:4000", [(socket.AF_INET6, ("2001:db8::1", 4000, 0, 0))]),
        ("tcp://[fe80::1%lo]:4000", []),
        ("tcp://lab.example:4000", []),
    ],
)
def test_numbers_need_no_looking_up(address: str, found: list[Found]) -> None:
    assert numbers_of(address) == found


def told(address: str) -> tuple[Sequence[Found], str]:
    heard: list[tuple[Sequence[Found], str]] = []
    come = threading.Event()

    def answer(found: Sequence[Found], why: str) -> None:
        heard.append((found, why))
        come.set()

    look_up(address, answer)
    assert come.wait(60)
    return heard[0]


def test_a_name_is_looked_up_elsewhere_and_what_is_none_is_said() -> None:
    found, why = told("tcp://localhost:4000")
    assert why == "" and {address[1] for _, address in found} == {4000}
    assert (socket.AF_INET, ("127.0.0.1", 4000)) in found or (socket.AF_INET6, ("::1", 4000, 0, 0)) in found
    assert told("tcp://[::1]:4000") == ([(socket.AF_INET6, ("::1", 4000, 0, 0))], "")
    found, why = told(f"tcp://{'a' * 70}.example:4000")
    assert found == () and why.startswith(f"the name {'a' * 70}.example cannot be looked up (")


class Clockwork:
    """Writes down what is to be done later and when, and whom the dialler tells."""

    is_running = True

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.gone_peers: list[int] = []

    def call_later(self, seconds: float, call: Any) -> None:
        self.waits.append(seconds)

    def gone(self, neighbour: Any) -> None:
        self.gone_peers.append(neighbour.peer)


def neighbour(*, ours: bool) -> Any:
    schema = Schema(1, bytes(32))
    return Neighbour(Endpoint(3, "tcp://lab:1", bytes(32), dialled=ours), Session(0, 3, None, schema))


def test_each_failure_in_a_row_doubles_the_wait_and_a_refusal_is_news() -> None:
    clock: Any = Clockwork()
    dialler, peer = Dialler(0, clock, clock, clock, clock, lambda _: None), neighbour(ours=True)
    for _ in range(6):
        dialler.failed(peer, "no route to host")
    assert clock.waits == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0] and peer.failures == 6 and not clock.gone_peers
    dialler.failed(peer, UNREACHABLE)
    assert clock.gone_peers == [3] and peer.unreachable == f"tcp://lab:1: {UNREACHABLE}"
    other = neighbour(ours=False)
    dialler.failed(other, "no route to host")
    assert len(clock.waits) == 7 and other.failures == 1, "whoever calls us is not called"

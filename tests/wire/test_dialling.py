"""How an address becomes numbers, and when a neighbour that does not answer is called again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from p2pfl_me.errors import WireError
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.complaints import NOT_CALLED, NOT_COME
from p2pfl_me.wire.dialling import Dialler, Found, look_up, numbers_of
from p2pfl_me.wire.endpoint import Endpoint, Meeting
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


def test_why_a_name_is_none_is_told_without_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*given: object, **named: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert told("tcp://lab:4000") == ((), "the name lab cannot be looked up (Name or service not known)")


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


class Lab:
    """Sockets, handshakes and events of one dialler, and what became of each."""

    def __init__(self, fails: OSError | None = None) -> None:
        self.fails, self.is_running, self.can = fails, True, True
        self.dialled: list[tuple[Any, ...]] = []
        self.said: list[tuple[Any, ...]] = []
        self.later: list[tuple[float, Any]] = []

    def dial(self, family: int, address: Any, now: float) -> str:
        self.dialled.append((family, address))
        if self.fails:
            raise self.fails
        return "connection"

    def can_dial(self, neighbour: Any) -> bool:
        return self.can

    def on_dialling(self, connection: str, neighbour: Any, now: float) -> None:
        self.said.append(("dialling", connection, neighbour.peer))

    def gone(self, neighbour: Any) -> None:
        self.said.append(("gone", neighbour.peer))

    def complain(self, neighbour: Any, complaint: str) -> None:
        self.said.append(("complain", complaint))

    def call_later(self, seconds: float, call: Any) -> None:
        self.later.append((seconds, call))

    def post(self, call: Any) -> None:
        call()


def numbered(**changes: Any) -> Any:
    peer = Neighbour(
        Endpoint(3, "tcp://10.0.0.1:80", bytes(32), dialled=True), Session(0, 3, None, Schema(1, bytes(32)))
    )
    for name, value in changes.items():
        setattr(peer, name, value)
    return peer


def dialler_of(lab: Any) -> Dialler:
    return Dialler(0, lab, lab, lab, lab, lambda peer: lab.said.append(("unreachable", peer.unreachable)))


def test_who_is_wanted_is_dialled_and_nobody_else() -> None:
    lab = Lab()
    dialler, peer = dialler_of(lab), numbered()
    dialler.begin(peer)
    assert lab.dialled == [(socket.AF_INET, ("10.0.0.1", 80))] and peer.dialling == "connection"
    assert lab.said == [("dialling", "connection", 3)] and (peer.failures, peer.tries) == (0, 0)
    for state in ({"quarantined": True}, {"dialling": "one"}, {"connection": "one"}):
        dialler.begin(numbered(**state))
    dialler.begin(neighbour(ours=False))
    not_ours = numbered()
    not_ours.endpoint = replace(not_ours.endpoint, dialled=False)
    dialler.begin(not_ours)
    lab.can = False
    dialler.begin(numbered())
    dialler._dial(numbered())
    lab.can, lab.is_running = True, False
    dialler.begin(numbered())
    dialler._connect(numbered(), [(socket.AF_INET, ("10.0.0.1", 80))], "")
    assert len(lab.dialled) == 1


def test_while_nobody_has_come_those_who_should_call_are_asked_again_and_again() -> None:
    lab = Lab()
    dialler = dialler_of(lab)
    ours, theirs, met_at_a_relay, nowhere = numbered(), numbered(), numbered(), numbered()
    for each in (theirs, met_at_a_relay, nowhere):
        each.endpoint = replace(each.endpoint, dialled=False)
    met_at_a_relay.endpoint = replace(met_at_a_relay.endpoint, relays=(Meeting("tcp://10.0.0.9:1", bytes(32)),))
    nowhere.endpoint = replace(nowhere.endpoint, address="")
    everyone = [ours, theirs, met_at_a_relay, nowhere]
    dialler.ask(everyone, 5.0)
    assert theirs.dialling == "connection" and len(lab.dialled) == 1 and lab.can
    theirs.dialling = None
    dialler.failed(theirs, "no handshake")
    assert (theirs.failures, len(lab.later)) == (1, 1), "the next time comes with the next question"
    lab.fails = OSError(113, "No route to host")
    (wait, again), _ = lab.later.pop(), lab.said.clear()
    again()
    assert wait == 5.0 and (theirs.failures, len(lab.later)) == (2, 1)
    away = f"tcp://10.0.0.1:80: no route to host{NOT_COME}"
    assert lab.said == [("unreachable", away)], "whoever should call owes no answer"
    dialler.failed(theirs, NOT_CALLED)
    assert theirs.unreachable == f"tcp://10.0.0.1:80: {NOT_CALLED}", "which says so itself"
    theirs.link = 1
    lab.later.pop()[1]()
    assert len(lab.dialled) == 2 and not lab.later, "somebody has come"


@pytest.mark.parametrize(
    ("fails", "why", "complains", "gone"),
    [
        (OSError(113, "No route to host"), "no route to host", True, False),
        (
            ConnectionRefusedError(111, "Connection refused"),
            "connection refused",
            False,
            UNREACHABLE == "connection refused",
        ),
        (OSError("odd"), "odd", True, False),
    ],
)
def test_a_call_that_fails_is_told_counted_and_made_again(
    fails: OSError, why: str, complains: bool, gone: bool
) -> None:
    lab = Lab(fails)
    dialler, peer = dialler_of(lab), numbered()
    dialler.begin(peer)
    assert (peer.failures, peer.tries, peer.dialling) == (1, 1, None)
    words = [("unreachable", f"tcp://10.0.0.1:80: {why}")] + [("gone", 3)] * gone
    words += [("complain", f"peer 3 at tcp://10.0.0.1:80: {why}")] * complains
    assert lab.said == words
    ((wait, again),) = lab.later
    lab.fails = None
    again()
    assert wait == 0.1 and peer.dialling == "connection"


def test_each_failure_goes_on_to_the_next_number_of_a_name_and_none_is_a_failure() -> None:
    lab, found = Lab(), [(socket.AF_INET, (f"10.0.0.{number}", 80)) for number in range(3)]
    dialler = dialler_of(lab)
    for failures in range(5):
        dialler._connect(numbered(failures=failures), found, "")
    assert [address[0][-1] for _, address in lab.dialled] == list("01201")
    peer = numbered()
    dialler._connect(peer, [], "unknown name")
    assert lab.said[-2:] == [
        ("unreachable", "tcp://10.0.0.1:80: unknown name"),
        ("complain", "peer 3 at tcp://10.0.0.1:80: unknown name"),
    ]


def test_a_name_is_looked_up_before_it_is_called_and_a_relay_that_has_gone_says_nothing_of_the_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lab, asked = Lab(), []

    def look_up(address: str, answer: Any) -> None:
        asked.append(address)
        answer([(socket.AF_INET, ("10.9.9.9", 1))], "")

    monkeypatch.setattr("p2pfl_me.wire.dialling.look_up", look_up)
    dialler = dialler_of(lab)
    dialler.begin(neighbour(ours=True))
    assert asked == ["tcp://lab:1"] and lab.dialled == [(socket.AF_INET, ("10.9.9.9", 1))]
    meeting: Any = SimpleNamespace(address="tcp://10.1.1.1:5")
    endpoint = Endpoint(3, "tcp://lab:1", bytes(32), dialled=False, relays=(meeting,))
    away = Neighbour(endpoint, Session(0, 3, None, Schema(1, bytes(32))))
    dialler.begin(away)
    assert lab.dialled[-1] == (socket.AF_INET, ("10.1.1.1", 5))
    dialler.failed(away, UNREACHABLE)
    assert not [said for said in lab.said if said[0] == "gone"]
    assert lab.said[-1] == ("unreachable", f"the relay tcp://10.1.1.1:5: {UNREACHABLE}") and len(lab.later) == 1


def test_a_name_is_looked_up_once_at_a_time_however_long_that_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question, every five seconds, began a thread more while the system looked for the first one's answer."""
    lab, asked = Lab(), list[Any]()
    monkeypatch.setattr("p2pfl_me.wire.dialling.look_up", lambda address, answer: asked.append(answer))
    dialler, theirs = dialler_of(lab), neighbour(ours=False)
    for _ in range(3):
        dialler.ask([theirs], 5.0)
    assert len(asked) == 1 and len(lab.later) == 3
    asked[0]([], "nobody knows it")
    dialler.ask([theirs], 5.0)
    assert len(asked) == 2 and theirs.unreachable == f"tcp://lab:1: nobody knows it{NOT_COME}"
    asked[1]([(socket.AF_INET, ("10.9.9.9", 1))], "")
    assert theirs.dialling == "connection"


def test_a_neighbour_is_named_with_its_address_if_it_has_one() -> None:
    one, nowhere = numbered(), numbered()
    nowhere.endpoint = replace(nowhere.endpoint, address="")
    assert (one.named(0), nowhere.named(0)) == ("peer 3 at tcp://10.0.0.1:80", "peer 3")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_two_ends_that_go_on_from_relay_to_relay_meet_at_each(count: int) -> None:
    relays: Any = tuple(range(count))
    low, high = Endpoint(5, "", b"", relays=relays), Endpoint(2, "", b"", relays=relays)
    pairs = {(low.relay(2, tries), high.relay(5, tries)) for tries in range(count * (count + 1))}
    assert pairs >= {(each, each) for each in range(count)}
    assert [low.relay(2, tries) for tries in range(4)] == [tries % count for tries in range(4)]
    assert [high.relay(5, tries) for tries in range(count + 2)] == [0] * (count + 1) + [1 % count]
    assert Endpoint(5, "", b"").relay(2, 3) is None
    assert [Endpoint(5, "", b"", dialled).begins(2) for dialled in (None, True, False)] == [True, True, False]
    assert [Endpoint(2, "", b"", dialled).begins(5) for dialled in (None, True, False)] == [False, True, False]


def test_an_echo_is_timed_or_told_that_it_will_not_come() -> None:
    def asked(at: float = 5.0) -> tuple[Any, Future[float]]:
        answer: Future[float] = Future()
        peer = numbered(echo=(at, answer))
        peer.session.is_echoed = True
        return peer, answer

    peer, answer = asked()
    peer.echoed(7.5)
    assert answer.result(0) == 2.5 and peer.echo is None and not peer.session.is_echoed
    peer.echoed(8.0)
    peer, answer = asked()
    peer.session.is_echoed = False
    peer.echoed(7.5)
    assert not answer.done() and peer.echo
    peer.forget_echo()
    peer.forget_echo()
    with pytest.raises(WireError, match="the link to peer 3 has gone"):
        answer.result(0)
    for end in (lambda peer: peer.forget_echo(), lambda peer: peer.echoed(9.0)):
        peer, answer = asked()
        answer.cancel()
        end(peer)
        assert peer.echo is None

"""The shell around a core: what fails in its worker ends the peer in words, when all its rounds are done, too."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from p2pfl_me.errors import ContractError, P2pmeError, PeerError
from p2pfl_me.gossip.protocol import Action, Began, Finish, Mixed
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.peer.host import Host
from p2pfl_me.peer.refusals import Refusals
from p2pfl_me.run.events import AnyEvent, HandsOut, Link, LinkState, Refused
from p2pfl_me.wire.endpoint import Agrees, Differs

OWN = np.ones(4, np.float32)


class Core:
    """No rounds; it stays for an hour, and gets a better model meanwhile."""

    waiting_for: frozenset[int] = frozenset()

    def __init__(self, taken: Mixed) -> None:
        self._taken = taken

    def start(self, now: float) -> list[Action]:
        return [Finish("rounds", 1, stays_s=3600.0)]

    def on_message(self, now: float, peer: int, message: Message) -> list[Action]:
        return [self._taken]

    def on_evaluated(self, now: float, loss: float | None) -> list[Action]:
        raise AssertionError("nothing was stored")

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: []


class Idle:
    """It waits for its neighbours until it is stopped."""

    waiting_for = frozenset({1, 2})

    def on_stop(self, now: float) -> list[Action]:
        return [Finish("stopped", 0)]

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: []


class Work:
    """What is to be stored does not fit on the disk."""

    def __init__(self, host: list[Host], error: Exception) -> None:
        self._host, self._error = host, error
        self.notes: list[AnyEvent] = []

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        return params

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        raise self._error

    def note(self, event: AnyEvent) -> None:
        self.notes.append(event)
        if isinstance(event, HandsOut):  # it stays from now on
            asyncio.get_running_loop().call_soon(self._host[0].on_message, 1, Message(Kind.FINAL, 0, 0, OWN))

    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None: ...


class Links:
    bytes_sent = bytes_received = 0

    def __init__(self) -> None:
        self.unreachable: dict[int, str] = {}
        self.closed = False

    async def start(self) -> None: ...
    async def close(self) -> None:
        self.closed = True

    async def part(self, timeout_s: float) -> bool:
        return True


@pytest.mark.parametrize("error", [PeerError("cannot write the checkpoint of round 2"), KeyError("a bug of ours")])
def test_a_final_model_that_cannot_be_stored_ends_who_stays_with_that_error(error: Exception) -> None:
    """At once, and not as if all were done: it had stayed out its hour, and ended well."""
    taken = Mixed(1, OWN, {1: 1.0}, {}, {}, 0.0, handed=True)
    hosts: list[Host] = []
    core, work, links = cast(Any, Core(taken)), Work(hosts, error), Links()
    hosts.append(Host(core, work, lambda handlers: cast(Any, links)))
    with pytest.raises(type(error)) as caught:
        asyncio.run(asyncio.wait_for(hosts[0].run(), 30.0))
    assert caught.value is error and links.closed


def test_one_that_says_again_and_again_that_it_leaves_fills_no_log() -> None:
    """A thousand lines a second pushed out what the log tells of the run: of a long one the newest parts are kept."""
    work = Work([], PeerError("nothing"))
    host = Host(cast(Any, Idle()), work, lambda handlers: cast(Any, Links()))
    for _ in range(2):
        host.on_link(1, True, "")
        for _ in range(100):
            host.on_message(1, Message(Kind.LEAVE, 3, 3))
            host.on_message(2, Message(Kind.LEAVE, 3, 3))
    states = [(event.neighbour, event.state) for event in work.notes if isinstance(event, Link)]
    of_one = [(1, LinkState.UP), (1, LinkState.LEFT)]
    assert states == [*of_one, (2, LinkState.LEFT), *of_one], "once over each link"


@pytest.mark.parametrize("by_key", [False, True])
@pytest.mark.parametrize(
    ("met", "differing", "ends"), [((), (1, 2), True), ((), (1, 1), False), ((2,), (1, 2), False), ((), (1, 3), False)]
)
def test_a_peer_whose_neighbours_all_have_another_contract_or_key_stops_at_once(
    met: Sequence[int], differing: Sequence[int], ends: bool, by_key: bool
) -> None:
    """It had waited for its patience and then trained alone to its end."""
    hosts: list[Host] = []
    core, work, links = cast(Any, Idle()), Work(hosts, KeyError("of nobody")), Links()
    hosts.append(Host(core, work, lambda handlers: cast(Any, links), (1, 2)))

    async def run() -> None:
        running = asyncio.create_task(hosts[0].run())
        await asyncio.sleep(0)
        for peer in met:
            hosts[0].on_link(peer, True, "")
        for peer in differing:
            hosts[0].on_news(Differs(peer, by_key))
        await asyncio.sleep(0)
        if not ends:
            hosts[0].stop()
        await running

    if ends:
        with pytest.raises(
            ContractError, match="2 neighbours know this peer by" if by_key else "2 neighbours have another contract"
        ):
            asyncio.run(asyncio.wait_for(run(), 30.0))
    else:
        asyncio.run(asyncio.wait_for(run(), 30.0))
    assert links.closed


def test_who_has_mended_its_contract_refuses_no_more_though_it_is_not_linked_yet() -> None:
    """A neighbour that had refused once counted as refusing for good, so a liar that refuses as the last one ended a
    peer which an honest one was about to meet."""
    hosts: list[Host] = []
    core, work, links = cast(Any, Idle()), Work(hosts, KeyError("of nobody")), Links()
    hosts.append(Host(core, work, lambda handlers: cast(Any, links), (1, 2)))

    async def run() -> None:
        running = asyncio.create_task(hosts[0].run())
        await asyncio.sleep(0)
        for news in (Differs(1, by_key=True), Agrees(1), Agrees(2), Differs(2), Differs(3)):
            hosts[0].on_news(news)
        await asyncio.sleep(0)
        assert not running.done()
        hosts[0].on_news(Differs(1))
        await running

    with pytest.raises(ContractError, match="2 neighbours have another contract"):
        asyncio.run(asyncio.wait_for(run(), 30.0))


def test_of_a_lab_that_was_met_no_refusals_are_counted_and_no_end_is_announced() -> None:
    """One that trained with a neighbour said, when the other refused it, that all did and that it trained nothing."""
    hosts: list[Host] = []
    core, work, links = cast(Any, Idle()), Work(hosts, KeyError("of nobody")), Links()
    hosts.append(Host(core, work, lambda handlers: cast(Any, links), (1, 2), 600.0))

    async def run() -> None:
        running = asyncio.create_task(hosts[0].run())
        await asyncio.sleep(0)
        hosts[0].changing = cast(Any, SimpleNamespace(agreed=None, linked=lambda peer, up: []))
        hosts[0].on_news(Differs(1, by_key=True))
        hosts[0].on_link(1, True, "")
        hosts[0].on_news(Differs(2, by_key=True))
        hosts[0].stop()
        await running

    asyncio.run(asyncio.wait_for(run(), 30.0))
    assert not [each for each in work.notes if isinstance(each, Refused)]


def test_patience_with_those_who_all_refuse_begins_anew_when_one_has_not() -> None:
    refusals = Refusals((1,), 10.0, lambda words: None)
    assert not refusals.take(0.0, Differs(1), may_change=True)
    refusals.withdraw(1)
    refusals.withdraw(7)
    assert not refusals.take(20.0, Differs(1), may_change=True)
    assert refusals.take(30.0, Differs(1), may_change=True)


def test_who_has_agreed_to_a_change_and_follows_after_its_round_is_not_stopped_for_being_behind() -> None:

    async def run(agreed: object) -> None:
        hosts: list[Host] = []
        core, work, links = cast(Any, Idle()), Work(hosts, KeyError("of nobody")), Links()
        hosts.append(Host(core, work, lambda handlers: cast(Any, links), (1,)))
        running = asyncio.create_task(hosts[0].run())
        await asyncio.sleep(0)
        hosts[0].changing = cast(Any, SimpleNamespace(agreed=agreed))
        for _ in range(2):
            hosts[0].on_news(Differs(1))
        await asyncio.sleep(0)
        hosts[0].stop()
        await running

    asyncio.run(asyncio.wait_for(run(object()), 30.0))
    with pytest.raises(ContractError, match="1 neighbour has another contract"):
        asyncio.run(asyncio.wait_for(run(None), 30.0))


@pytest.mark.parametrize(
    ("refusing", "agreed", "met"), [((1, 2), None, ()), ((1,), None, ()), ((1, 2), 7, ()), ((1, 2), None, (1,))]
)
def test_who_is_refused_by_all_when_it_would_begin_trains_nothing(
    refusing: Sequence[int], agreed: object, met: Sequence[int]
) -> None:
    """It had trained some rounds alone, whose checkpoint kept the mended contract out of the folder."""
    hosts: list[Host] = []
    core, work, links = cast(Any, Idle()), Work(hosts, KeyError("of nobody")), Links()
    hosts.append(Host(core, work, lambda handlers: cast(Any, links), (1, 2), 600.0))

    async def run() -> None:
        running = asyncio.create_task(hosts[0].run())
        await asyncio.sleep(0)
        hosts[0].changing = cast(Any, SimpleNamespace(agreed=None))
        for peer in refusing:
            hosts[0].on_news(Differs(peer))
        hosts[0].changing = cast(Any, SimpleNamespace(agreed=agreed))
        hosts[0].met.update(met)
        hosts[0]._perform([Began(frozenset({0, 1, 2}))])
        await asyncio.sleep(0)
        hosts[0].stop()
        await running

    if len(refusing) > 1 and not agreed and not met:
        with pytest.raises(ContractError, match="2 neighbours have another contract"):
            asyncio.run(asyncio.wait_for(run(), 30.0))
    else:
        asyncio.run(asyncio.wait_for(run(), 30.0))


def test_where_contracts_may_change_who_is_refused_by_all_waits_for_its_patience_and_stops() -> None:
    """A change may be on its way. It had trained alone to its end, and nothing but one line of its log said why."""
    said: list[str] = []
    refusals = Refusals((1, 2), 600.0, said.append)
    for now in range(0, 700, 10):
        error = refusals.take(now, Differs(1, by_key=True), may_change=True)
        if now >= 50:
            error = refusals.take(now + 1, Differs(2), may_change=True) or error
        assert bool(error) is (now + 1 >= 50 + 601), now
    assert said == [
        "1 neighbour has another contract than this peer (2), and 1 neighbour knows this peer by another key (1); "
        "there is no other; a change may be on its way that mends it; if all say so still when it would "
        "begin, or in 600 s, it stops"
    ]
    quiet = Refusals((1, 2), 0.0, said.append)
    assert not quiet.take(0.0, Differs(1), may_change=True)
    assert not quiet.take(61.0, Differs(2), may_change=True), "the other may have followed, or gone, by now"
    assert quiet.take(62.0, Differs(1), may_change=True) and len(said) == 2
    assert not Refusals((), 0.0, said.append).take(0.0, Differs(1), may_change=False)

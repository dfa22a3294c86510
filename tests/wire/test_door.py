"""The door of a listening socket: shut while many callers are not settled with, and those who wait come in later."""

from __future__ import annotations

import ctypes
import select
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from p2pfl_me.wire import sockets as module
from p2pfl_me.wire.door import ATTACH_FILTER, Door, held
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.stream_sockets import split_address
from tests.wire.spies import Spy
from tests.wire.test_sockets import End, caller, run
from tests.wire.test_sockets_steps import Bench

linux = pytest.mark.skipif(sys.platform != "linux", reason="no other system has such filters")


def calling(where: Any) -> socket.socket:
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex(where)
    return one


def has_come_in(one: socket.socket) -> bool:
    return bool(select.select([], [one], [], 0)[1])


@linux
def test_who_calls_at_a_shut_door_comes_in_when_it_opens_and_who_is_in_is_not_disturbed() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as inside,
    ):
        served, _ = listening.accept()
        door = Door(listening.fileno())
        for _ in range(2):
            door.shut(shut=True)
        waiting = calling(listening.getsockname())
        assert not has_come_in(waiting)
        inside.sendall(b"as ever")
        assert served.recv(100) == b"as ever" and not has_come_in(waiting)
        for _ in range(2):
            door.shut(shut=False)
        assert select.select([], [waiting], [], 20)[1], "its system calls again after a second"
        for each in (waiting, served):
            each.close()
        door.close()


def test_where_the_system_has_no_such_door_it_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(sys, "platform", "darwin")
        elsewhere = Door(listening.fileno())
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr("p2pfl_me.wire.door.ATTACH_FILTER", 9999)
        without, full = Door(listening.fileno()), Door(-1)
        for door in (elsewhere, without, full):
            door.shut(shut=True)
            assert not door.is_shut
            door.close()


def test_the_door_is_shut_above_a_number_and_opens_well_below_it_and_while_nobody_is_heard() -> None:
    bench = Bench()
    door = Spy()
    bench.station.door = door  # type: ignore[assignment]

    def told(unsettled: int, *, hear: bool = True, now: float = 5.0) -> list[bool]:
        door.calls.clear()
        bench.it._calls = dict.fromkeys(range(unsettled // 2))  # type: ignore[arg-type]
        bench.station.leaving._shut = dict.fromkeys((bytes([k]) for k in range(unsettled - unsettled // 2)), 5.0)
        bench.it._settle(now, hear=hear)
        return [dict(call[1:])["shut"] for call in door.calls]

    most = module.UNSETTLED
    assert told(0) == [False] and told(most // 4) == [False]
    assert told(most // 4 + 1) == told(most) == [], "as it is"
    assert told(most + 1) == told(2 * most) == [True]
    assert told(0, hear=False, now=5.0 + module.UNHEARD_S) == [False], "it may be for a moment"
    assert told(0, hear=False, now=5.1 + module.UNHEARD_S) == [True]
    assert told(0, now=5.2 + module.UNHEARD_S) == [False]


def test_the_door_is_looked_at_in_turns_in_which_nobody_is_heard() -> None:
    bench = Bench()
    door = Spy()
    bench.station.door, bench.it._heard_at = door, 5.0  # type: ignore[assignment]
    bench.it.work(5.1 + module.UNHEARD_S, hear=False)
    bench.it.work(5.2 + module.UNHEARD_S, hear=True)
    assert [dict(call[1:])["shut"] for call in door.calls] == [True, False]


@linux
def test_who_came_in_while_the_door_was_closing_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """An accepted socket inherits the filter of the listening one: of who called in that moment nothing ever came."""
    everything_passes = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0xFFFFFFFF))
    monkeypatch.setattr("p2pfl_me.wire.door.NOTHING_PASSES", everything_passes)
    end = End().listen()
    end.sockets._server.door.shut(shut=True)  # type: ignore[union-attr]
    with caller(end):
        run(lambda: end.keeper.calls, end)
        with held(end.keeper.calls[0].line.descriptor) as served:
            assert served.getsockopt(socket.SOL_SOCKET, ATTACH_FILTER, 64) == b"", (
                "what it is asked for by the same name"
            )
        end.sockets.close_all()


@linux
def test_a_port_is_free_at_once_although_the_door_had_a_descriptor_of_its_own() -> None:
    ends = [End(), End()]
    for each in ends:
        each.address = ends[0].address
        each.listen()
        door = each.sockets._server.door  # type: ignore[union-attr]
        door.shut(shut=True)
        each.sockets.close_all()
        assert door._socket.fileno() == -1


@linux
def test_a_crowd_of_callers_that_nobody_looks_at_is_bounded_and_links_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand a second came in, and were kept with all that they had sent, however far behind the reader was."""
    monkeypatch.setattr(module, "UNSETTLED", 8)
    before = len([*Path("/proc/self/fd").iterdir()])
    end = End().listen()
    linked = caller(end)
    run(lambda: end.keeper.calls, end)
    end.keeper.looks_at_calls = lambda now: 1000.0  # type: ignore[method-assign]
    crowd = [caller(end)]
    run(lambda: len(end.keeper.calls) == 2, end)
    where = split_address(end.address)
    while not end.sockets._server.door.is_shut:  # type: ignore[union-attr]
        crowd.append(calling(where))
        run(lambda: end.sockets.connections == len(crowd) + 1 or end.sockets._server.door.is_shut, end)  # type: ignore[union-attr]
    assert len(crowd) == 10, "one is looked at, and eight may wait"
    crowd += [calling(where) for _ in range(20)]
    linked.sendall(Lengths().write(7) + b"as ever")
    run(lambda: end.keeper.frames == [b"as ever"], end)
    assert end.sockets.connections == 11 and not any(map(has_come_in, crowd[10:]))
    assert len([*Path("/proc/self/fd").iterdir()]) < before + 60
    for each in crowd[:10]:
        each.close()
    run(lambda: any(map(has_come_in, crowd[10:])), end)
    for each in (linked, *crowd[10:]):
        each.close()
    end.sockets.close_all()

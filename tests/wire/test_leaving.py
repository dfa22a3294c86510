"""How callers leave: their line is shut, what they had sent is nobody's, their end is awaited, and nothing is kept."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from p2pfl_me.wire import leaving as module
from p2pfl_me.wire import stream_sockets
from p2pfl_me.wire.leaving import LAST_PIECES, LAST_WORDS_S, SETTLED_S, Leaving, Line
from p2pfl_me.wire.stream_sockets import split_address
from tests.wire.floods import RESET
from tests.wire.peers import free_ports
from tests.wire.test_sockets import End, run


class Leave:
    """A socket's callers that leave, with lines that write down when they are shut."""

    def __init__(self) -> None:
        self.faults: list[Exception | None] = []
        self.asked: list[bytes] = []
        self.shut: list[str] = []
        self.it = Leaving(SimpleNamespace(send=self._send))  # type: ignore[arg-type]

    def _send(self, data: bytes, _: int) -> None:
        self.asked.append(data)
        if data and (fault := self.faults.pop(0)):
            raise fault

    def line(self, name: str) -> Any:
        return SimpleNamespace(shut=lambda: self.shut.append(name))


@pytest.fixture
def leave() -> Leave:
    return Leave()


def test_a_line_is_shut_at_once_and_its_name_stands_until_its_end_has_come(leave: Leave) -> None:
    leave.it.begin(b"a", leave.line("a"), 10.0, -math.inf)
    assert leave.shut == ["a"] and b"a" in leave.it and leave.it.shut == 1
    for _ in range(2 * LAST_PIECES):
        leave.it.came(b"a", b"what it had sent", 10.1)
    assert b"a" in leave.it and b"b" not in leave.it
    leave.it.came(b"a", b"", 10.2)
    assert b"a" not in leave.it and leave.it.shut == 0 and leave.it.due() is None and leave.asked == []


def test_last_words_have_their_time_unless_the_caller_says_much_more_or_goes(leave: Leave) -> None:
    for name in ("waits", "speaks", "goes"):
        leave.it.begin(name.encode(), leave.line(name), 10.0, 9.8)
    assert leave.shut == [] and leave.it.shut == 0 and leave.it.due() == 9.8 + LAST_WORDS_S
    for _ in range(LAST_PIECES):
        leave.it.came(b"speaks", b"x", 10.1)
    assert leave.shut == []
    leave.it.came(b"speaks", b"x", 10.1)
    assert leave.shut == ["speaks"]
    leave.it.came(b"goes", b"", 10.2)
    leave.it.turn(9.8 + LAST_WORDS_S - 0.01)
    assert leave.shut == ["speaks"] and b"waits" in leave.it and b"goes" not in leave.it
    leave.it.turn(9.8 + LAST_WORDS_S)
    assert leave.shut == ["speaks", "waits"] and leave.it.shut == 2
    leave.it.begin(b"was told long ago", leave.line("at once"), 11.0, 11.0 - LAST_WORDS_S)
    assert leave.shut[-1] == "at once"


def test_whoever_ended_without_a_word_is_asked_for_once_all_has_been_read(leave: Leave) -> None:
    """ZeroMQ tells of no end where the queue was full to its last place; and there may be no descriptor to shut."""
    leave.it.begin(b"a", None, 10.0, -math.inf)
    leave.it.turn(20.0)
    assert leave.asked == [] and leave.it.due() is None, "what it had sent may still lie there"
    leave.it.emptied(10.0 + SETTLED_S - 0.01)
    leave.it.turn(20.0)
    assert leave.asked == []
    leave.it.emptied(20.0)
    leave.faults = [zmq.Again()]
    leave.it.turn(20.0)
    assert leave.asked == [b"a"] and b"a" in leave.it and leave.it.due() == 20.0 + SETTLED_S
    leave.it.emptied(21.0)
    leave.faults = [zmq.ZMQError(113)]
    leave.it.turn(21.0)
    assert b"a" not in leave.it
    leave.it.begin(b"b", None, 21.0, -math.inf)
    leave.it.emptied(22.0)
    leave.faults = [None]
    leave.it.turn(22.0)
    assert leave.asked[-2:] == [b"b", b""] and b"b" not in leave.it, "it is closed as far as ZeroMQ can"


def line_of(descriptor: int, host: str = "127.0.0.1") -> Line | None:
    return Line.of(SimpleNamespace(get={zmq.SRCFD: descriptor}.get), host)  # type: ignore[arg-type]


def test_a_descriptor_that_is_anothers_by_now_is_not_shut() -> None:
    with contextlib.ExitStack() as open_:
        listening = open_.enter_context(socket.create_server(("127.0.0.1", 0)))
        ours = [open_.enter_context(socket.create_connection(listening.getsockname())) for _ in range(2)]
        (first, _), (second, _) = listening.accept(), listening.accept()
        descriptor = first.fileno()
        line = line_of(descriptor)
        assert line == line_of(descriptor, "127.0.0.1%lo") == Line(descriptor, ours[0].getsockname())
        assert line_of(descriptor, "127.0.0.2") is line_of(descriptor, "") is None, "it is another caller's"
        os.dup2(second.fileno(), descriptor)
        line.shut()
        second.sendall(b"still there")
        assert ours[1].recv(100) == b"still there"
        Line(descriptor, ours[1].getsockname()).shut()
        assert ours[1].recv(100) == b""
        os.close(first.detach())
        line.shut()
        second.close()
        assert line_of(descriptor) is None


def test_a_descriptor_that_is_no_callers_by_now_is_left_alone_and_none_of_our_own_stays_open() -> None:
    """Each who had gone before it was looked at cost one, where a file had its descriptor; and a pair was shut."""
    read, write = os.pipe()
    here, there = socket.socketpair()
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) if sys.platform == "linux" else socket.socket()
    before = len([*Path("/proc/self/fd").iterdir()])
    for descriptor in (read, here.fileno(), kernel.fileno()):  # the last as opened by whoever looks a name up
        for host in ("127.0.0.1", "", "0"):
            assert line_of(descriptor, host) is None
        Line(descriptor, ("127.0.0.1", 1)).shut()
    there.sendall(b"still there")
    assert here.recv(100) == b"still there" and len([*Path("/proc/self/fd").iterdir()]) == before
    for each in (read, write, here.detach(), there.detach(), kernel.detach()):
        os.close(each)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1", "tcp://[::1]", "tcp://*"])
def test_a_line_is_found_whatever_the_listener_calls_its_callers(address: str) -> None:
    end = End()
    end.address = f"{address}:{free_ports(1)[0]}"
    end.sockets.listen(end.address)
    end.keeper.admits = lambda now, host: True  # type: ignore[method-assign]
    host, port = split_address(end.address)
    with socket.create_connection((host.replace("*", "127.0.0.1"), port)):
        run(lambda: end.keeper.calls, end)
        assert end.keeper.calls[0].line is not None
    end.sockets.close_all()


def fill(one: socket.socket) -> None:
    """Send as much as fits on the line, with the queue behind it full; to be reset when it is closed."""
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with contextlib.suppress(BlockingIOError):
        while True:
            one.send(bytes(1 << 20))


@pytest.mark.parametrize("greeted", [False, True])
def test_nothing_is_kept_of_callers_that_fill_the_queue_and_reset(
    greeted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each left a descriptor, and as much as the queue holds, when ZeroMQ was told of its end by an empty message."""
    monkeypatch.setattr(stream_sockets, "QUEUED_IN", 4)
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.01)
    end = End(most=1 << 30).listen()
    if greeted:

        def greet(one: Any) -> None:
            end.sockets.send(one, b"not today")
            end.sockets.close(one)

        end.keeper.on_call = greet  # type: ignore[method-assign]
    before = len([*Path("/proc/self/fd").iterdir()])
    try:
        for _ in range(40):
            with socket.create_connection(split_address(end.address)) as one:
                fill(one)
            end.sockets.work(time.monotonic(), hear=True)
        run(lambda: len([*Path("/proc/self/fd").iterdir()]) <= before and not end.sockets.connections, end)
    finally:
        end.sockets.close_all()


def test_a_callers_last_words_arrive_although_it_is_closed_at_once() -> None:
    end = End().listen()

    def refuse(one: Any) -> None:
        end.sockets.send(one, b"not today")
        end.sockets.close(one)

    end.keeper.on_call = refuse  # type: ignore[method-assign]
    callers = [socket.create_connection(split_address(end.address)) for _ in range(20)]
    for each in callers:
        run(lambda: select.select([each], [], [], 0)[0], end)  # noqa: B023
        assert each.recv(100).endswith(b"not today")
        each.close()
    run(lambda: not end.sockets.connections, end)
    end.sockets.close_all()


def test_nor_of_those_that_were_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_sockets, "QUEUED_IN", 4)
    end, before = End(most=1 << 30), len([*Path("/proc/self/fd").iterdir()])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for _ in range(20):
            dialled = end.sockets.dial(socket.AF_INET, listening.getsockname(), time.monotonic())
            there, _ = listening.accept()
            fill(there)
            there.close()
            end.sockets.close(dialled)
    try:  # ZeroMQ's threads have some by now
        run(lambda: len([*Path("/proc/self/fd").iterdir()]) < before + 10, end)
    finally:
        end.sockets.close_all()

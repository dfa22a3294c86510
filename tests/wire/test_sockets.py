"""STREAM sockets as they are used here: callers are looked at, last words arrive, ends are told, memory is bounded."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import zmq

from p2pfl_me.wire import sockets
from p2pfl_me.wire.dialling import numbers_of
from p2pfl_me.wire.framing import Lengths
from p2pfl_me.wire.sockets import CALLS, MOST_HELD, UNREACHABLE, Sockets
from p2pfl_me.wire.station import Connection, Outcome
from p2pfl_me.wire.stream_sockets import StreamSockets, split_address
from tests.wire.peers import free_ports


class Keeper:
    """Writes down what it is told; admits all."""

    def __init__(self) -> None:
        self.calls: list[Connection] = []
        self.connected: list[Connection] = []
        self.frames: list[bytes] = []
        self.ended: list[str] = []

    def on_call(self, connection: Connection) -> None:
        self.calls.append(connection)

    def on_connected(self, connection: Connection) -> None:
        self.connected.append(connection)

    def on_frame(self, connection: Connection, frame: memoryview) -> None:
        self.frames.append(bytes(frame))

    def on_closed(self, connection: Connection, reason: str) -> None:
        self.ended.append(reason)

    def looks_at_calls(self, now: float) -> float:
        return 0.0

    def admits(self, now: float, host: str) -> bool:
        return host == "127.0.0.1"


class End:
    """Sockets with their keeper."""

    def __init__(self, most: int = 1 << 20) -> None:
        self.keeper = Keeper()
        self.sockets = Sockets(self.keeper, most)
        self.address = f"tcp://127.0.0.1:{free_ports(1)[0]}"

    def listen(self) -> End:
        self.sockets.listen(self.address)
        return self


def run(until: Callable[[], object], *ends: End, timeout_s: float = 20.0) -> None:
    """Turn the ends until something holds."""
    over = time.monotonic() + timeout_s
    while not until():
        if time.monotonic() > over:
            for end in ends:  # what is left open would hold up the tests that follow
                end.sockets.close_all()
            raise AssertionError("it never came")
        for end in ends:
            end.sockets.work(time.monotonic(), hear=True)
            end.sockets.wait(0.01, time.monotonic(), hear=True)


def caller(end: End) -> socket.socket:
    return socket.create_connection(split_address(end.address), timeout=20)


def dial(one: End, other: End) -> Connection:
    ((family, address),) = numbers_of(other.address)
    return one.sockets.dial(family, address, time.monotonic())


def test_a_crowd_is_looked_at_a_few_at_a_time() -> None:
    end = End().listen()
    crowd = [caller(end) for _ in range(3 * CALLS)]
    seen = [0]
    while seen[-1] < len(crowd):
        run(lambda: len(end.keeper.calls) > seen[-1], end)
        assert len(end.keeper.calls) - seen[-1] <= CALLS
        seen.append(len(end.keeper.calls))
    for each in crowd:
        each.close()
    run(lambda: len(end.keeper.ended) == len(crowd), end)
    end.sockets.close_all()


def test_last_words_arrive_both_ways_before_the_end_is_told() -> None:
    for closes in ("called", "calling"):
        one, other = End(), End().listen()
        connection = dial(one, other)
        run(lambda: one.keeper.connected and other.keeper.calls, one, other)  # noqa: B023
        speaker, told, end = (other.keeper.calls[0], one, other) if closes == "called" else (connection, other, one)
        words = [os.urandom(300_000), b"farewell"]
        for each in words:
            run(lambda: speaker.is_clear, one, other)  # noqa: B023
            assert end.sockets.send(speaker, each) is Outcome.SENT
        run(lambda: len(told.keeper.frames) == 2, one, other)  # noqa: B023
        end.sockets.close(speaker)
        run(lambda: told.keeper.ended, one, other)  # noqa: B023
        assert told.keeper.frames == words and told.keeper.ended == [""] and not end.keeper.ended
        one.sockets.close_all()
        other.sockets.close_all()


def test_what_was_handed_over_leaves_although_everything_is_closed() -> None:
    one, other = End(), End().listen()
    connection = dial(one, other)
    run(lambda: one.keeper.connected and other.keeper.calls, one, other)
    one.sockets.send(connection, b"the last of all")
    one.sockets.close_all()
    run(lambda: other.keeper.ended, other)
    assert other.keeper.frames == [b"the last of all"]
    other.sockets.close_all()


def test_what_the_way_out_has_no_room_for_still_leaves_when_all_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "LINGER_S", 30.0)  # this test must not need a quiet machine
    one, other = End(), End(most=1 << 26).listen()
    connection = dial(one, other)
    run(lambda: one.keeper.connected and other.keeper.calls, one, other)
    other.sockets.hear(other.keeper.calls[0], hear=False)
    sent = 0
    while connection.is_clear:
        assert one.sockets.send(connection, bytes(1 << 20)) is Outcome.SENT
        sent += 1
    closing = threading.Thread(target=one.sockets.close_all)
    closing.start()
    other.sockets.hear(other.keeper.calls[0], hear=True)
    run(lambda: other.keeper.ended, other)
    closing.join()
    assert other.keeper.frames == [bytes(1 << 20)] * sent
    other.sockets.close_all()


def test_a_call_that_fails_at_once_leaves_nothing_open() -> None:
    one = End()
    for host, port in (("127.0.0.1", -1), ("no host", 1)):
        with pytest.raises(OSError, match="invalid argument"):
            one.sockets.dial(socket.AF_INET, (host, port), time.monotonic())
    assert not one.sockets._sockets.open and one.sockets.connections == 0
    one.sockets.close_all()


@pytest.mark.parametrize(
    ("closed", "mute", "outcome"), [(1, 0, "GONE"), (0, 1, "GONE"), (1, 1, "GONE"), (0, 0, "SENT")]
)
def test_what_is_sent_to_who_is_gone_is_not_kept(closed: int, mute: int, outcome: str) -> None:
    """Nor does it move the lengths on, which are of what leaves."""
    left: list[int] = []
    sockets_ = Sockets.__new__(Sockets)

    def flush(connection: Connection) -> bool:
        left.append(len(connection.rest))
        return True

    sockets_._flush = flush  # type: ignore[method-assign]
    connection = Connection(None, b"", "host", None, 0.0, closed=bool(closed), mute=bool(mute))  # type: ignore[arg-type]
    assert sockets_.send(connection, b"frame") is Outcome[outcome]
    assert (len(connection.rest), left) == ((1, [1]) if outcome == "SENT" else (0, []))
    assert connection.is_clear is False
    connection.rest.clear()
    assert connection.is_clear is (outcome == "SENT")
    for deaf, hear, becomes in ((False, False, True), (True, True, False), (False, True, False), (True, False, True)):
        connection.deaf = deaf
        sockets_.hear(connection, hear=hear)
        assert connection.deaf is (deaf if closed else becomes)


def test_a_connection_is_closed_once_and_its_end_is_awaited_where_it_was_a_caller() -> None:
    for server, ended, named in ((True, False, True), (True, True, False), (False, False, False)):
        retired: list[object] = []
        leaves: list[object] = []
        leaving = SimpleNamespace(begin=lambda name, line, now, said_at: leaves.append((name, said_at)))  # noqa: B023
        station = SimpleNamespace(connections={}, leaving=leaving)
        connection = Connection(station, b"x", "host", None, 0.0, ended=ended)  # type: ignore[arg-type]
        station.connections[b"x"] = connection
        all_ = Sockets.__new__(Sockets)
        all_._server = station if server else None  # type: ignore[assignment]
        all_._sockets = SimpleNamespace(retire=retired.append)  # type: ignore[assignment]
        all_._calls, all_._unread, all_._stuck = {connection: None}, {connection}, {connection}
        for _ in range(2):
            all_.close(connection)
        assert connection.closed and not station.connections
        assert not (all_._calls or all_._unread or all_._stuck)
        assert leaves == ([(b"x", -math.inf)] if named else [])
        assert retired == ([] if server else [station])


def test_nobody_there_is_told() -> None:
    one, nobody = End(), End()
    dial(one, nobody)
    run(lambda: one.keeper.ended, one)
    assert one.keeper.ended == [UNREACHABLE]
    one.sockets.close_all()
    nobody.sockets.close_all()


def test_who_sends_although_nobody_reads_is_cut_off_and_costs_bounded_memory() -> None:
    end = End(most=1 << 30).listen()
    loud = caller(end)
    run(lambda: end.keeper.calls, end)
    end.sockets.hear(end.keeper.calls[0], hear=False)
    loud.settimeout(0.05)
    sent, piece = 0, Lengths().write(1 << 29) + bytes(1 << 20)

    def shout() -> bool:
        nonlocal sent
        with contextlib.suppress(TimeoutError, ConnectionError):
            sent += loud.send(piece)
        return bool(end.keeper.ended)

    run(shout, end)
    assert end.keeper.ended == ["it sends although nobody reads"] and sent < 16 * MOST_HELD
    end.sockets.close_all()


def test_a_caller_from_elsewhere_is_closed_without_a_word() -> None:
    end = End().listen()
    end.keeper.admits = lambda now, host: False  # type: ignore[method-assign]
    stranger = caller(end)

    def closed() -> bool:
        stranger.settimeout(0.01)
        try:
            return stranger.recv(100) == b""
        except TimeoutError:
            return False

    run(closed, end)
    assert not end.keeper.calls and not end.keeper.ended
    end.sockets.close_all()


def is_over(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_who_speaks_or_goes_before_it_is_looked_at_is_dropped_with_all_that_it_sent() -> None:
    end = End().listen()
    end.keeper.looks_at_calls = lambda now: 1000.0  # type: ignore[method-assign]
    first = caller(end)
    run(lambda: end.keeper.calls, end)
    for _ in range(20):
        rude = caller(end)
        rude.setblocking(False)
        rude.send(bytes(1 << 22))
        run(lambda: is_over(rude), end)  # noqa: B023
        rude.close()
        shy = caller(end)
        run(lambda: end.sockets.connections == 2, end)
        shy.close()
        run(lambda: end.sockets.connections == 1, end)
    assert len(end.keeper.calls) == 1 and not end.keeper.frames and not end.keeper.ended
    first.close()
    end.sockets.close_all()


CROWDED = """
import sys
from tests.wire.test_sockets import End, run
end = End().listen()
end.keeper.on_call = lambda connection: end.sockets.send(connection, b"come in")
print(end.address, flush=True)
run(lambda: b"still there" in end.keeper.frames, end, timeout_s=60)
end.sockets.close_all()
"""


@pytest.mark.processes
def test_with_no_files_left_callers_wait_and_nothing_ends() -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    child = subprocess.Popen([sys.executable, "-c", CROWDED], stdout=subprocess.PIPE, text=True, preexec_fn=few)
    assert child.stdout is not None
    where = split_address(child.stdout.readline().strip())
    crowd = [socket.create_connection(where, timeout=20) for _ in range(60)]
    for each in crowd:
        each.close()
    with socket.create_connection(where, timeout=60) as last:
        assert last.recv(1), "it is greeted"
        last.sendall(Lengths().write(11) + b"still there")
        assert child.wait(90) == 0


STARVED = """
import os, resource, socket
from tests.wire.test_sockets import End, dial, run
one, other = End().listen(), End().listen()
for spare in range(12):
    held = []
    try:
        while True:
            held.append(socket.socket())
    except OSError:
        pass
    for each in held[:spare]:
        each.close()
    try:
        one.sockets.close(dial(one, other))
    except OSError as error:
        print(error.strerror, flush=True)
    for each in held:
        each.close()
while not one.keeper.connected:
    failed = len(one.keeper.ended)
    try:
        dial(one, other)
    except OSError:  # a thread of ZeroMQ's closes the files of what was closed, when it has its turn
        os.sched_yield()
    else:
        run(lambda: one.keeper.connected or len(one.keeper.ended) > failed, one, other)
for end in (one, other):
    end.sockets.close_all()
"""


@pytest.mark.processes
def test_a_call_for_which_no_file_is_left_fails_as_a_call_and_the_next_gets_through() -> None:
    """However few are left: a call needs several, one after another."""

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

    done = subprocess.run([sys.executable, "-c", STARVED], capture_output=True, text=True, preexec_fn=few, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "too many open files" in done.stdout


def test_who_sleeps_wakes_when_time_is_up_or_when_called_and_no_sooner() -> None:
    sockets = StreamSockets()
    try:
        begun = time.monotonic()
        sockets.sleep(0.05)
        assert time.monotonic() - begun > 0.04
        sockets.wake()
        sockets.sleep(None)
        sockets.awake()
        begun = time.monotonic()
        sockets.sleep(0.02)
        assert time.monotonic() - begun > 0.015, "what was heard wakes nobody again"
        assert not (sockets._woken.getblocking() or sockets._waker.getblocking())
        for _ in range(5000):  # more than it holds
            sockets.wake()
        sockets.sleep(None)
    finally:
        sockets.close()


def test_what_zeromq_is_told_of_a_socket_that_listens_and_of_one_that_calls() -> None:
    sockets = StreamSockets()
    try:
        port = free_ports(1)[0]
        listening = sockets.bound(f"tcp://127.0.0.1:{port}")
        calling = sockets.connecting(socket.AF_INET, ("127.0.0.1", port))
        both = (zmq.SNDHWM, zmq.RCVHWM, zmq.LINGER, zmq.IPV6)
        for station in (listening, calling):
            assert [station.socket.getsockopt(option) for option in both] == [16, 128, 0, 0]
        assert listening.socket.getsockopt(zmq.BACKLOG) == 256 and listening.monitor is None
        never, seconds = zmq.RECONNECT_IVL, zmq.CONNECT_TIMEOUT
        assert [calling.socket.getsockopt(option) for option in (never, seconds)] == [2**31 - 1, 10_000]
        assert calling.monitor is not None and sockets.open == [listening, calling]
        assert calling.socket.getsockopt(zmq.LAST_ENDPOINT) == f"tcp://127.0.0.1:{port}".encode()
        sixth = sockets.connecting(socket.AF_INET6, ("::1", port, 0, 0))
        assert sixth.socket.getsockopt(zmq.LAST_ENDPOINT) == f"tcp://[::1]:{port}".encode()
        sockets.retire(sixth)
        sockets.retire(calling)
        sockets.retire(calling)
        assert sockets.open == [listening] and calling.socket.closed and calling.monitor.closed
    finally:
        sockets.close()
    assert not sockets.open and listening.socket.closed

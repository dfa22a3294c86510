"""What the system may say against a call ends nothing: it is looked at later, or the next one is."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from p2pfl_me.wire.sockets import CALLS, OUT_OF_FILES_S, Connection, Sockets, split_address
from tests.wire.peers import free_ports


class Doorkeeper:
    """Counts who comes; admits all."""

    def __init__(self) -> None:
        self.calls: list[Connection] = []
        self.ended: list[str] = []

    def on_call(self, connection: Connection) -> None:
        self.calls.append(connection)

    def on_connected(self, connection: Connection) -> None: ...
    def on_frame(self, connection: Connection, frame: memoryview) -> None: ...
    def on_closed(self, connection: Connection, reason: str) -> None:
        self.ended.append(reason)

    def looks_at_calls(self, now: float) -> float:
        return 0.0

    def admits(self, now: float, host: str) -> bool:
        return True


class Failing:
    """A listening socket of which the next `accept` fails."""

    def __init__(self, true: socket.socket, number: int) -> None:
        self._true, self._number = true, number

    def fileno(self) -> int:
        return self._true.fileno()

    def close(self) -> None:
        self._true.close()

    def accept(self) -> tuple[socket.socket, object]:
        if number := self._number:
            self._number = 0
            raise OSError(number, os.strerror(number))
        return self._true.accept()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ECONNABORTED, errno.EPROTO,
                                    errno.ENETDOWN, errno.EHOSTUNREACH, errno.EPERM])  # fmt: skip
def test_whatever_the_system_says_against_a_call_the_next_one_is_answered(number: int) -> None:
    keeper = Doorkeeper()
    sockets = Sockets(keeper, 100)
    address = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    sockets.listen(address)
    assert sockets._server is not None
    sockets._watch_calls(False)
    sockets._server = Failing(sockets._server, number)  # type: ignore[assignment]
    sockets._watch_calls(True)
    caller = socket.create_connection(split_address(address), timeout=20)
    now = 100.0
    while not keeper.calls:
        sockets.wait(5.0, now, hear=True)
        sockets.work(now, hear=True)
        now += OUT_OF_FILES_S / 2
    assert len(keeper.calls) == 1 and now < 100 + 4 * OUT_OF_FILES_S
    caller.close()
    while not keeper.ended:
        sockets.wait(5.0, now, hear=True)
        sockets.work(now, hear=True)
    sockets.close_all()


def test_a_crowd_is_looked_at_a_few_at_a_time() -> None:
    keeper = Doorkeeper()
    sockets = Sockets(keeper, 100)
    address = f"tcp://127.0.0.1:{free_ports(1)[0]}"
    sockets.listen(address)
    crowd = [socket.create_connection(split_address(address), timeout=20) for _ in range(3 * CALLS)]
    sockets.work(0.0, hear=True)
    assert 0 < len(keeper.calls) <= CALLS
    while len(keeper.calls) < len(crowd):
        sockets.wait(5.0, 0.0, hear=True)
        sockets.work(0.0, hear=True)
    for each in crowd:
        each.close()
    sockets.close_all()

"""Reaching a neighbour: names to numbers, one attempt after another, each a little later. Names are looked up in a
thread of their own, since that may take the system half a minute."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Protocol

from p2pfl_me.wire.complaints import NOT_CALLED, NOT_COME
from p2pfl_me.wire.handshaker import Handshaker
from p2pfl_me.wire.neighbour import MOST_S, Neighbour
from p2pfl_me.wire.reactor import Reactor
from p2pfl_me.wire.sockets import UNREACHABLE, Sockets
from p2pfl_me.wire.stream_sockets import Address, split_address

FIRST_S = 0.1
"""Between two attempts, doubled from one to the other, up to `MOST_S`."""

Found = tuple[int, Address]
"""Address family and address."""


class DialEvents(Protocol):
    """Whom the dialler tells."""

    def gone(self, neighbour: Neighbour) -> None:
        """Nobody listens at the neighbour's address: its process has ended."""

    def complain(self, neighbour: Neighbour, complaint: str) -> None: ...


class Dialler:
    """Calls the neighbours that are peer `me`'s to call, until each has answered; the others it asks while nobody has
    come. One thread's, the reactor's."""

    def __init__(
        self,
        me: int,
        sockets: Sockets,
        handshaker: Handshaker,
        reactor: Reactor,
        events: DialEvents,
        unreachable: Callable[[Neighbour], None],
    ) -> None:
        self._me, self._sockets, self._handshaker = me, sockets, handshaker
        self._reactor, self._events, self._unreachable = reactor, events, unreachable
        self._looked_up: set[Neighbour] = set()
        """Those whose names are being looked up, which may take longer than it is to the next call."""

    def begin(self, neighbour: Neighbour) -> None:
        """The first attempt, if the neighbour is ours to call."""
        if neighbour.endpoint.is_dialled_by(self._me) and self._handshaker.can_dial(neighbour):
            self._dial(neighbour)

    def ask(self, neighbours: Collection[Neighbour], every_s: float) -> None:
        """Until one of them has come, call also those who should call us, each once: they may refuse us, or never reach
        us, and then say so to nobody but who asks them."""
        if any(each.link for each in neighbours):
            return
        for each in neighbours:
            if each.endpoint.address and not each.endpoint.is_dialled_by(self._me):
                self._dial(each)
        self._reactor.call_later(every_s, partial(self.ask, neighbours, every_s))

    def again(self, neighbour: Neighbour) -> None:
        """The next attempt, in its time, if the neighbour is ours to call."""
        if neighbour.endpoint.is_dialled_by(self._me):
            self._reactor.call_later(delay(neighbour.failures), partial(self._dial, neighbour))

    def failed(self, neighbour: Neighbour, why: str) -> None:
        """An attempt has come to nothing."""
        where = neighbour.where(self._me)
        neighbour.failures += 1
        neighbour.tries += 1
        asked = not neighbour.endpoint.is_dialled_by(self._me) and why != NOT_CALLED
        neighbour.unreachable = f"{where}: {why}{NOT_COME * asked}"
        self._unreachable(neighbour)
        if why == UNREACHABLE and not neighbour.endpoint.relays:  # that a relay has gone says nothing of the neighbour
            self._events.gone(neighbour)
        self.again(neighbour)

    def _dial(self, neighbour: Neighbour) -> None:
        if not self._is_wanted(neighbour) or not self._handshaker.can_dial(neighbour):
            return
        relay = neighbour.relay(self._me)
        address = relay.address if relay else neighbour.endpoint.address
        if found := numbers_of(address):
            self._connect(neighbour, found, "")
        elif neighbour not in self._looked_up:
            self._looked_up.add(neighbour)
            look_up(address, lambda found, why: self._reactor.post(partial(self._found, neighbour, found, why)))

    def _found(self, neighbour: Neighbour, found: Sequence[Found], why: str) -> None:
        self._looked_up.discard(neighbour)
        self._connect(neighbour, found, why)

    def _connect(self, neighbour: Neighbour, found: Sequence[Found], why: str) -> None:
        if not self._is_wanted(neighbour):
            return
        now = time.monotonic()
        try:
            if not found:
                raise OSError(why)
            connection = self._sockets.dial(*found[neighbour.failures % len(found)], now)
        except OSError as error:
            self.failed(neighbour, (error.strerror or str(error)).lower())
            called = neighbour.endpoint.is_dialled_by(self._me)
            if called and not isinstance(error, ConnectionError):  # who has not begun yet is nothing to complain of
                self._events.complain(neighbour, f"peer {neighbour.peer} at {neighbour.unreachable}")
            return
        neighbour.dialling = connection
        self._handshaker.on_dialling(connection, neighbour, now)

    def _is_wanted(self, neighbour: Neighbour) -> bool:
        done = neighbour.quarantined or neighbour.dialling or neighbour.connection
        return not done and self._reactor.is_running


def delay(failures: int) -> float:
    """Seconds to the next attempt after so many that failed in a row; the first comes at once."""
    doublings = min(failures - 1, 16)  # a neighbour may be away for days, and 2.0 ** 1024 is no float any more
    return min(MOST_S, FIRST_S * 2.0**doublings) if failures else 0.0


def numbers_of(address: str) -> list[Found]:
    """What `tcp://HOST:PORT` stands for if HOST is numbers already, else nothing."""
    host, port = split_address(address)
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return []
    if isinstance(parsed, ipaddress.IPv4Address):
        return [(socket.AF_INET, (host, port))]
    return [] if parsed.scope_id else [(socket.AF_INET6, (host, port, 0, 0))]


def look_up(address: str, answer: Callable[[Sequence[Found], str], None]) -> None:
    """Find the numbers of a name; `answer` is called in another thread with them, or with none and why."""

    def work() -> None:
        host, port = split_address(address)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        except (OSError, UnicodeError) as error:
            answer((), f"the name {host} cannot be looked up ({getattr(error, 'strerror', None) or error})")
        else:
            answer([(int(family), _address(at)) for family, _, _, _, at in found if len(at) in {2, 4}], "")

    try:
        threading.Thread(target=work, daemon=True, name="look-up").start()
    except RuntimeError:  # the system gives no more threads now
        answer((), "the name could not be looked up for lack of threads")


def _address(found: tuple[object, ...]) -> Address:
    match found:
        case (str(host), int(port)):
            return host, port
        case (str(host), int(port), int(flow), int(scope)):
            return host, port, flow, scope
    raise OSError(f"an address of no known form: {found!r}")

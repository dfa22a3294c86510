"""Reaching a neighbour: names to numbers, one attempt after another, each a little later. Names are looked up in a
thread of their own, since that may take the system half a minute."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence

from p2pfl_me.wire.sockets import Address, split_address

FIRST_S, MOST_S = 0.1, 2.0
"""Between two attempts, doubled from one to the other."""

Found = tuple[int, Address]
"""Address family and address."""


def delay(failures: int) -> float:
    """Seconds to the next attempt after so many that failed in a row; the first comes at once."""
    return min(MOST_S, FIRST_S * 2.0 ** (failures - 1)) if failures else 0.0


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

"""Whether the ports of all peers are free, asked before clips are read for minutes."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress

from p2pfl_me.contract import Contract
from p2pfl_me.contract.members import HIGHEST_PORT
from p2pfl_me.errors import RunError
from p2pfl_me.machine import holder_of
from p2pfl_me.wire.stream_sockets import split_address

STEP = 100
"""How far apart the ports are that are tried for another first one."""


def require_ports(contract: Contract) -> None:
    """Refuse a contract at one of whose addresses somebody listens already, with a first port whose row is free.

    Raises
    ------
    RunError
        With who listens there, as far as this user may see. What else is wrong with an address its peer will say.
    """
    for peer in contract.peers.present:
        address = contract.peers.member(peer).address
        if address is None or _free(*split_address(address)):
            continue
        _, port = split_address(address)
        holder = holder_of(port)
        fix = "stop that, or give the peers other ports"
        if contract.peers.loopback and (base := _free_row(contract.peers.loopback.base_port, contract.peers.count)):
            fix = f"stop that, or write --set peers.loopback.base_port={base}"
        raise RunError(
            f"port {port} of peer {peer} is taken{f' by {holder}' if holder else ''}", where=contract.name, fix=fix
        )


def _free_row(base: int, count: int) -> int | None:
    for first in range(base + STEP, HIGHEST_PORT - count, STEP):
        if all(_free("127.0.0.1", port) for port in range(first, first + count)):
            return first
    return None


def _free(host: str, port: int) -> bool:
    """Whether nobody listens there."""
    with suppress(OSError), socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as mine:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the links do: a last run's ends do not count
        try:
            mine.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True

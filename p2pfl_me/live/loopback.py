"""A page's server on this machine's loopback address, until Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from p2pfl_me.errors import PeerError
from p2pfl_me.live.guard import Gate

LINGER_S = 1
"""Seconds that open pages are given when the command ends."""


def serve_app(
    make: Callable[[Gate], Starlette], port: int, opened: Callable[[str], None], *, ws_max_size: int = 1 << 16
) -> None:
    """Serve what `make` gives for a gate until Ctrl-C; `opened` is told the page's address once it listens.

    Raises
    ------
    PeerError
        The port is taken, or not ours to take.
    """
    with listen(port) as listening:
        gate = Gate(listening.getsockname()[1])
        config = uvicorn.Config(
            make(gate),
            log_level="warning",
            access_log=False,
            ws="websockets-sansio",
            ws_max_size=ws_max_size,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=LINGER_S,
            lifespan="off",
            server_header=False,
        )
        listening.listen()
        opened(gate.url)
        uvicorn.Server(config).run(sockets=[listening])


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 takes any that is free.

    Raises
    ------
    PeerError
        The port is taken, or not ours to take.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        listening.close()
        raise PeerError(
            f"cannot be listened on: {error.strerror}",
            where=f"port {port}",
            fix="name another with --port, or 0 for any",
        ) from error
    return listening

"""The fork server of a swarm's peers, begun as soon as a command knows that it will need one."""

from __future__ import annotations

from p2pfl_me.workers import fork_server

CHILDREN = "p2pfl_me.swarm.children"
"""What the server imports for all peers."""


def begin_ahead() -> None:
    """Let the server import torch while a command imports what it reads contracts and clips with, and does so: the
    first child would wait for it."""
    fork_server(CHILDREN)

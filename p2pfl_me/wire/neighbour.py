"""What the links know of one neighbour: its way, its session, the handshakes under way with it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from p2pfl_me.wire.endpoint import Endpoint
from p2pfl_me.wire.noise import AwaitingReply
from p2pfl_me.wire.session import Outgoing, Session
from p2pfl_me.wire.sockets import Route

CANDIDATES = 4
"""Handshakes that may be under way with one neighbour."""
GREETINGS = 1024
"""Tags of greetings that are remembered: a captured one, sent again and again, must not crowd out the true one."""


@dataclass(slots=True, eq=False)
class Neighbour:
    """`stuck` is a sealed record that found no room, `link` counts the links there have been."""

    endpoint: Endpoint
    route: Route | None = None
    connected: bool = False
    session: Session | None = None
    link: int = 0
    heard: float = 0.0
    handshakes: dict[bytes, AwaitingReply] = field(default_factory=dict)
    candidates: deque[tuple[bytes, Session]] = field(default_factory=lambda: deque(maxlen=CANDIDATES))
    greeted: deque[bytes] = field(default_factory=lambda: deque(maxlen=GREETINGS))
    stuck: tuple[memoryview, Outgoing | None] | None = None
    quarantined: bool = False
    complaint: str = ""

    @property
    def peer(self) -> int:
        return self.endpoint.peer

"""Small hosts for `Links` on free loopback ports, and waiting for conditions instead of time."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from p2pfl_me.message import Message
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.endpoint import News
from p2pfl_me.wire.identity import Identity, new_identity
from p2pfl_me.wire.links import Endpoint, Links, Liveness
from p2pfl_me.wire.traffic import Ledger

QUICK = Liveness(ping_s=0.05, silence_s=30.0, retry_s=0.05)


def free_ports(count: int) -> list[int]:
    """So many that are free, below those from which outgoing connections take theirs: any of them could be taken again
    before its listener is there."""
    while True:
        ports = [secrets.randbelow(20_000) + 10_000 for _ in range(count)]
        if _are_free(ports):
            return ports


def free_base(count: int) -> int:
    """The first of `count` ports in a row that are free, likewise."""
    while True:
        base = secrets.randbelow(20_000) + 10_000
        if _are_free(range(base, base + count)):
            return base


def _are_free(ports: Iterable[int]) -> bool:
    with ExitStack() as held:
        try:
            for port in ports:
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Recorder:
    """Keeps what the links tell, and wakes whoever waits for it."""

    def __init__(self) -> None:
        self.messages: list[tuple[int, Message]] = []
        self.links: list[tuple[int, bool, str]] = []
        self.refused: list[tuple[int | None, str]] = []
        self.failed: list[Exception] = []
        self.news: list[News] = []
        self._news = asyncio.Event()

    def on_message(self, peer: int, message: Message) -> None:
        self.messages.append((peer, message))
        self._news.set()

    def on_link(self, peer: int, up: bool, reason: str) -> None:
        self.links.append((peer, up, reason))
        self._news.set()

    def on_refused(self, peer: int | None, reason: str) -> None:
        self.refused.append((peer, reason))
        self._news.set()

    def on_news(self, news: News) -> None:
        self.news.append(news)
        self._news.set()

    def on_failed(self, error: Exception) -> None:
        self.failed.append(error)
        self._news.set()

    async def until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self._news.clear()
                await self._news.wait()

    def is_up(self, peer: int) -> bool:
        states = [up for other, up, _ in self.links if other == peer]
        return bool(states) and states[-1]


class Swarm:
    """Identities and addresses of a few peers that know one another."""

    def __init__(self, count: int, size: int = 100) -> None:
        self.identities = [new_identity() for _ in range(count)]
        self.addresses = [f"tcp://127.0.0.1:{port}" for port in free_ports(count)]
        self.schema = Schema(size, b"s" * 32)
        self.entries: dict[int, list[Mapping[str, Any]]] = {peer: [] for peer in range(count)}

    def endpoint(self, peer: int, dialled: bool | None = None) -> Endpoint:
        return Endpoint(peer, self.addresses[peer], self.identities[peer].public, dialled)

    def links(
        self,
        me: int,
        neighbours: list[int],
        recorder: Recorder,
        *,
        identity: Identity | None = None,
        prologue: bytes = b"p" * 32,
        sections: Mapping[str, bytes] | None = None,
        liveness: Liveness = QUICK,
        ledger: Ledger | None = None,
        dialled: bool | None = None,
    ) -> Links:
        return Links(
            me,
            self.addresses[me],
            identity or self.identities[me],
            [self.endpoint(peer, dialled) for peer in neighbours],
            prologue=prologue,
            sections=sections or {"training": b"1" * 32},
            schema=self.schema,
            handlers=recorder,
            ledger=ledger or self.entries[me].append,
            liveness=liveness,
        )

    async def linked(self) -> tuple[Links, Links, Recorder, Recorder]:
        """Peers 0 and 1 with the link between them up, and what each of them records."""
        here, there = Recorder(), Recorder()
        low, high = self.links(0, [1], here), self.links(1, [0], there)
        await high.start()
        await low.start()
        await here.until(lambda: here.is_up(1))
        await there.until(lambda: there.is_up(0))
        return low, high, here, there

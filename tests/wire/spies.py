"""A multiplexer around which everything is a spy: nothing is sent, and the clock is the test's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from p2pfl_me.message import Kind, Message
from p2pfl_me.wire import multiplexer
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.endpoint import Endpoint, Liveness
from p2pfl_me.wire.handshake import Terms
from p2pfl_me.wire.identity import new_identity
from p2pfl_me.wire.multiplexer import Multiplexer
from p2pfl_me.wire.records import Opener, Sealer
from p2pfl_me.wire.session import Session, Standing

SCHEMA = Schema(5, b"d" * 32)
LIVENESS = Liveness(ping_s=1.0, silence_s=20.0, retry_s=0.5, resume_s=2.0, renew_s=100.0, renew_bytes=1000)
WORD = Message(Kind.HELLO, 0, 0, None)
MODEL = Message(Kind.OFFER, 3, 3, np.arange(5, dtype=np.float32))


class Spy:
    """Writes down every call; a method answers what `answers` holds for it."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers = answers

    def __getattr__(self, name: str) -> Any:
        def called(*given: Any, **named: Any) -> Any:
            self.calls.append((name, *given, *named.items()))
            answer = self.answers.get(name)
            return answer(*given) if callable(answer) else answer

        return called

    def names(self) -> list[str]:
        return [name for name, *_ in self.calls]


class Bench:
    """One multiplexer, peer 0 with neighbours 1 and 2, of which everything around is a spy."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.events, self.entries = 100.0, Spy(), []
        self.events.is_full = False
        monkeypatch.setattr(multiplexer, "time", SimpleNamespace(monotonic=lambda: self.now))
        terms = Terms(0, new_identity(), b"", {})
        ends = [Endpoint(peer, f"tcp://10.0.0.{peer}:80", bytes([peer]) * 32) for peer in (1, 2)]
        self.it = Multiplexer(terms, "tcp://10.0.0.9:1", ends, SCHEMA, LIVENESS, self.entries.append, self.events)
        self.it._sockets.close_all()
        self.sockets = self.it._sockets = Spy(work=False)  # type: ignore[assignment]
        self.dialler = self.it._dialler = Spy()  # type: ignore[assignment]
        self.reactor = self.it.reactor = Spy()  # type: ignore[assignment]
        self.own = self.it._watcher
        self.watcher = self.it._watcher = Spy(lateness=0.0, hears=self.own.hears)  # type: ignore[assignment]
        self.hands = self.it._handshaker = Spy(look=(), overdue=(), dialled=None, on_closed=None)  # type: ignore[assignment]
        self.hands.waiting = Spy(admits=True, looks=0.25)
        self.one, self.two = self.it._neighbours[1], self.it._neighbours[2]

    def connection(self, **changes: Any) -> Any:
        fields = {
            "reader": SimpleNamespace(most=0),
            "heard_at": self.now,
            "is_clear": True,
            "deaf": False,
            "connecting": False,
        }
        return SimpleNamespaceHashed(**{**fields, **changes})

    def link(self, neighbour: Any, **changes: Any) -> tuple[Any, Session]:
        """Bring it up; its connection, and the session at the other end."""
        there, back = b"a" * 32, b"b" * 32
        other = Session(neighbour.peer, 0, None, SCHEMA)
        theirs = Standing(other._name, bytes(8), 0, 0)
        seals: Any = SimpleNamespace(sealer=Sealer(there), opener=Opener(back))
        connection = self.connection(**changes)
        self.it.up(neighbour, connection, theirs, seals)
        other.connected(Standing(neighbour.session._name, bytes(8), 0, 0), Sealer(back), Opener(there))
        return connection, other

    def told(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.events.calls if call[0] == name]


class SimpleNamespaceHashed(SimpleNamespace):
    __hash__ = object.__hash__

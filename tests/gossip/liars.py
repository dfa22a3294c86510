"""Peers that do not do as the protocol says: cores wrapped so that others hear something else, or nothing."""

from __future__ import annotations

from dataclasses import replace

from p2pfl_me.gossip.protocol import Action, Protocol, Send, Timer
from p2pfl_me.message import Kind, Message, Vector


class Liar:
    """A core whose every word passes through `say`; by default nothing is changed."""

    def __init__(self, core: Protocol) -> None:
        self._core = core

    def say(self, now: float, send: Send) -> list[Send]:
        return [send]

    def _told(self, now: float, actions: list[Action]) -> list[Action]:
        told: list[Action] = []
        for action in actions:
            told += self.say(now, action) if isinstance(action, Send) else [action]
        return told

    @property
    def waiting_for(self) -> frozenset[int]:
        return self._core.waiting_for

    def start(self, now: float) -> list[Action]:
        return self._told(now, self._core.start(now))

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return self._told(now, self._core.on_trained(now, params))

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        return self._told(now, self._core.on_evaluated(now, validation_loss))

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        return self._told(now, self._core.on_message(now, sender, message))

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        return self._told(now, self._core.on_timer(now, timer, round))

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        return self._told(now, self._core.on_peer(now, peer, reachable))

    def on_stop(self, now: float) -> list[Action]:
        return self._told(now, self._core.on_stop(now))


class Mute(Liar):
    """Greets, stays up, and says no other word."""

    def say(self, now: float, send: Send) -> list[Send]:
        return [send] if send.message.kind is Kind.HELLO else []


class Claims(Liar):
    """Says the truth, and beside it with every message of one kind that it stands in another round.

    With `shift` the claimed round is so many beyond the true one, otherwise `round`.
    """

    def __init__(self, core: Protocol, kind: Kind, round: int = 10**9, *, shift: bool = False) -> None:
        super().__init__(core)
        self._kind, self._round, self._shift = kind, round, shift

    def say(self, now: float, send: Send) -> list[Send]:
        message = send.message
        claimed = message.round + self._round if self._shift else self._round
        if self._kind in {Kind.OFFER, Kind.ANSWER, Kind.PUSH}:
            if message.content is None:
                return [send]
            return [send, Send(send.to, replace(message, kind=self._kind, round=claimed, at=claimed))]
        return [send, Send(send.to, Message(self._kind, claimed, claimed))]


class OnLinks(Liar):
    """Says the truth, and before anything else on each fresh link some words beside it."""

    def __init__(self, core: Protocol, *words: Message) -> None:
        super().__init__(core)
        self._words = words

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        told = super().on_peer(now, peer, reachable)
        return [*(Send(peer, word) for word in self._words if reachable), *told]

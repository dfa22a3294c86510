"""A core around another: what it is fed goes in as it is, what it answers is looked through."""

from __future__ import annotations

from collections.abc import Sequence

from p2pfl_me.gossip.protocol import Action, Protocol, Timer
from p2pfl_me.message import Message, Vector


class Wrapped:
    """A core whose actions are looked through; inputs go in as they are."""

    def __init__(self, core: Protocol) -> None:
        self._core = core

    def _out(self, actions: Sequence[Action]) -> list[Action]:
        """What becomes of actions on their way to the host."""
        raise NotImplementedError

    @property
    def waiting_for(self) -> frozenset[int]:
        return self._core.waiting_for

    def start(self, now: float) -> list[Action]:
        return self._out(self._core.start(now))

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return self._out(self._core.on_trained(now, params))

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        return self._out(self._core.on_evaluated(now, validation_loss))

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        return self._out(self._core.on_message(now, sender, message))

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        return self._out(self._core.on_timer(now, timer, round))

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        return self._out(self._core.on_peer(now, peer, reachable))

    def on_stop(self, now: float) -> list[Action]:
        return self._out(self._core.on_stop(now))

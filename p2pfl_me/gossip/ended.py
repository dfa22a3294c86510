"""A peer that is done: what is left of its core when it only hands out its model."""

from __future__ import annotations

from p2pfl_me.gossip.protocol import Action, Finish, Timer
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Message, Vector


class Ended:
    """The core of a peer that is done, for whoever only hands its model out."""

    def __init__(self, progress: Progress, completed: int) -> None:
        self._progress, self._completed = progress, completed

    @property
    def waiting_for(self) -> frozenset[int]:
        return frozenset()

    def start(self, now: float) -> list[Action]:
        trained = self._progress.trained
        skipped = self._completed - trained - self._progress.joined
        return [Finish("rounds", trained, skipped=skipped, alone=self._progress.alone)]

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return []

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        return []

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        return []

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        return []

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        return []

    def on_stop(self, now: float) -> list[Action]:
        return []

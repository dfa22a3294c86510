"""Where a run's contract changes on its way: a core that ends between two rounds, for another to go on from there.

A layer around any core. Its host rings `Timer.VIEW` with the round from which on an agreed change holds. Before the
peer would train that round, or any after it, it ends with the reason `view`, without a goodbye: the host goes on with
a core of the new contract, from the model that the last round ended with. Whoever is last to end that round may find
that the others have gone on already; that round counts as none in which it was left alone. Who is done, and stays to
hand out its model, goes on too where a change brings more rounds. And who has joined the run
on its way (a newcomer) gets the model of the last round, once over every link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from p2pfl_me.gossip.final import Final
from p2pfl_me.gossip.hand_out import Place
from p2pfl_me.gossip.protocol import (
    Action,
    Began,
    Finish,
    Leave,
    Mixed,
    Protocol,
    Refuse,
    Send,
    SetTimer,
    Timer,
    Train,
)
from p2pfl_me.message import Kind, Message, Vector

TURNED = "view"
"""The reason to finish of who goes on under another contract."""


class Turning:
    """A core, and around it what this module says. `rounds`: the contract's."""

    def __init__(
        self,
        core: Protocol,
        neighbours: Sequence[int],
        place: Place,
        final: Final,
        newcomers: frozenset[int],
        rounds: int,
    ) -> None:
        self._core, self._final, self._rounds = core, final, rounds
        self._params, self._completed = place.params, place.completed
        self._newcomers = newcomers & frozenset(neighbours)
        self._given: set[int] = set()
        self._at: int | None = None
        """From which round on the change holds, for this peer; and by the change's own word."""
        self._stated: int | None = None
        self._excused = 0
        """Rounds in which nobody was left because the others had gone on under the change."""
        self._is_busy = self._is_over = False
        self._stays: Finish | None = None
        """With what it ended, if it was done and stays to hand out its model."""

    @property
    def waiting_for(self) -> frozenset[int]:
        return self._core.waiting_for

    def start(self, now: float) -> list[Action]:
        return self._out(now, self._core.start(now))

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return self._out(now, self._core.on_trained(now, params))

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        self._is_busy = False
        return self._out(now, self._core.on_evaluated(now, validation_loss))

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        if message.kind is Kind.WANT and sender in self._newcomers and not self._is_over:
            if sender in self._given:
                return []
            self._given.add(sender)
            packed = self._final.packed(self._params)
            return [Send(sender, Message(Kind.FINAL, self._rounds, self._completed, packed))]
        return self._out(now, self._core.on_message(now, sender, message))

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        if timer is not Timer.VIEW:
            return self._out(now, self._core.on_timer(now, timer, round))
        if round:  # a change, or another in its place
            self._stated = round
        self._at = 0 if self._at == 0 else round
        if self._stays and round <= self._completed:
            finish, self._stays = self._stays, None
            return [replace(finish, reason=TURNED, stays_s=0.0)]
        if self._is_over or self._is_busy or not self._is_due(self._completed):
            return []
        return self._turn(now, [])

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        if not reachable:
            self._given.discard(peer)
        return self._out(now, self._core.on_peer(now, peer, reachable))

    def on_stop(self, now: float) -> list[Action]:
        return self._out(now, self._core.on_stop(now))

    def _out(self, now: float, actions: Sequence[Action]) -> list[Action]:
        out: list[Action] = []
        for action in actions:
            match action:
                case Train():
                    if self._is_due(action.round):
                        return self._turn(now, out)
                    self._is_busy = True
                case Mixed():
                    self._params, self._completed = action.params, action.round + 1
                    if action.alone and self._stated is not None and self._completed >= self._stated:
                        self._excused += 1
                        action = replace(action, alone=False)
                case Finish():
                    action = replace(action, alone=action.alone - self._excused)
                    if action.reason == "rounds" and self._is_due(self._completed):
                        return self._turned(out, action)
                    self._is_over = True
                    self._stays = action if action.stays_s and action.reason == "rounds" else None
                case Leave():
                    self._stays = None
                case Send() | SetTimer() | Began() | Refuse():
                    pass
                case _:
                    assert_never(action)
            out.append(action)
        return out

    def _is_due(self, round: int) -> bool:
        return not self._is_over and self._at is not None and round >= self._at

    def _turn(self, now: float, out: Sequence[Action]) -> list[Action]:
        finish = next(each for each in self._core.on_stop(now) if isinstance(each, Finish))
        return self._turned(out, replace(finish, alone=finish.alone - self._excused))

    def _turned(self, out: Sequence[Action], finish: Finish) -> list[Action]:
        self._is_over = True
        said = [
            each
            for each in out
            if not isinstance(each, SetTimer) and not (_is_goodbye(each) or isinstance(each, Leave))
        ]
        return [*said, replace(finish, reason=TURNED, stays_s=0.0)]


def _is_goodbye(action: Action) -> bool:
    return isinstance(action, Send) and action.message.kind is Kind.LEAVE

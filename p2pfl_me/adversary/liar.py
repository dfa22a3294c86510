"""An attack around a core: the core stays honest and knows what there is to know, its words are changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from p2pfl_me.adversary.attack import Attack, View
from p2pfl_me.choice import derive_seed
from p2pfl_me.gossip.protocol import Action, Protocol, Send, Train
from p2pfl_me.gossip.wrapped import Wrapped
from p2pfl_me.message import Kind, Message, Vector

if TYPE_CHECKING:
    from p2pfl_me.learning.trainer import Samples

Row = Callable[[int, int], Mapping[int, float]]
"""(peer, round) -> its row of W without the diagonal."""


class Board:
    """The newest models of honest peers that liars have seen.

    A liar among real processes sees what it is sent. In the simulator all liars share one board, on which everybody's
    models stand as soon as they are sent to anyone: the attacks of the literature know as much.
    """

    def __init__(self, liars: frozenset[int]) -> None:
        self.liars = liars
        self.heard: dict[int, Vector] = {}

    def see(self, peer: int, message: Message) -> None:
        if peer not in self.liars and message.params is not None:
            self.heard[peer] = message.params


class Observed(Wrapped):
    """An honest core whose models liars can see, changed in nothing."""

    def __init__(self, core: Protocol, me: int, board: Board) -> None:
        super().__init__(core)
        self._me, self._board = me, board

    def _out(self, actions: Sequence[Action]) -> list[Action]:
        for action in actions:
            if isinstance(action, Send):
                self._board.see(self._me, action.message)
        return list(actions)


class Liar(Wrapped):
    """A core whose owner follows `attack`.

    A message that the core repeats is repeated as it was told: a lie is one lie a neighbour, kind and round.
    """

    def __init__(self, core: Protocol, me: int, attack: Attack, board: Board, row: Row, seed: int) -> None:
        super().__init__(core)
        self._me, self._attack, self._board, self._row, self._seed = me, attack, board, row, seed
        self._start: Vector = np.empty(0, np.float32)
        self._first: Vector | None = None
        self._told: dict[tuple[int, Kind], tuple[int, Vector]] = {}

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return super().on_trained(now, self._attack.trained(self._start, params))

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        self._board.see(sender, message)
        return super().on_message(now, sender, message)

    def _out(self, actions: Sequence[Action]) -> list[Action]:
        changed: list[Action] = []
        for action in actions:
            if isinstance(action, Train):
                self._start = action.params
            if not isinstance(action, Send):
                changed.append(action)
            elif (message := self._attack.message(self._falsified(action.to, action.message))) is not None:
                changed.append(Send(action.to, message))
        return changed

    def _falsified(self, to: int, message: Message) -> Message:
        own = message.params
        if own is None or not self._attack.falsifies:
            return message
        if self._first is None:
            self._first = own
        round, lie = self._told.get((to, message.kind), (-1, own))
        if round != message.round:
            lie = self._attack.instead(self._view(to, message.round, own, self._first))
            self._told[to, message.kind] = message.round, lie
        return replace(message, params=lie)

    def _view(self, to: int, round: int, own: Vector, first: Vector) -> View:
        random = np.random.default_rng(derive_seed(self._seed, "attack", self._me, to, round))
        heard = self._board.heard
        return View(self._me, to, round, own, first, heard, self._row(to, round), self._board.liars, random)


class Deceit:
    """What a host puts between one liar and its work: false data, and a core that lies."""

    def __init__(self, attack: Attack, board: Board, row: Row, seed: int, classes: int) -> None:
        self._attack, self._board, self._row, self._seed, self._classes = attack, board, row, seed, classes

    def samples(self, samples: Samples) -> Samples:
        return self._attack.samples(samples, self._classes)

    def core(self, core: Protocol, me: int) -> Protocol:
        return Liar(core, me, self._attack, self._board, self._row, self._seed)

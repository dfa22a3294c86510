"""A peer that joins a run on its way: it takes the model of a neighbour, then goes on with the others.

A layer around a core that is made only when the model has come. Until then it asks every neighbour that it is linked
with (WANT), and keeps what they say for the core. In which round it begins, more than half of those who are there say,
as to any peer that has just started; a giver alone cannot send it further.

Where a rule stands up to liars no single one says what the model is: the newcomer waits for the models of more than
half of those of its neighbours that joined before, two at least, and takes the middle of them and its own, by value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum, auto

import numpy as np

from p2pfl_me.gossip.catch_up import Word, place
from p2pfl_me.gossip.final import Final, one_of
from p2pfl_me.gossip.kind import Start
from p2pfl_me.gossip.protocol import Action, Finish, Mixed, Protocol, Refuse, Send, SetTimer, Timer
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Kind, Message, Vector

UNMET = "unmet"
"""The reason to finish of whom nobody gave a model."""
MOST_KEPT = 64
"""Messages of a neighbour that are kept until the model is there, one with a model among them."""


class _State(Enum):
    ASKING = auto()
    TAKING = auto()
    """The model is being stored."""
    TRAINING = auto()
    OVER = auto()


class Newcomer:
    """One peer that joins.

    Parameters
    ----------
    make:
        The core that goes on from a start.
    start:
        Its `completed` is the round from which on the peer takes part, by the contract; its `params` are those of the
        contract's beginning, of which only what stays home is kept.
    rounds:
        The contract's.
    gathers_s:
        How long all wait for each other where they go on together.
    waits_s:
        How long it waits for a neighbour's model; None for ever.
    averages:
        As for `HandOut`.
    """

    def __init__(
        self,
        make: Callable[[Start], Protocol],
        neighbours: Sequence[int],
        start: Start,
        final: Final,
        rounds: int,
        gathers_s: float,
        waits_s: float | None = None,
        *,
        averages: bool = True,
    ) -> None:
        longer = frozenset(neighbours) - start.newcomers
        self._givers = frozenset(neighbours) if averages or not longer else longer
        self._needed = 1 if averages or not longer else _enough(len(longer))
        """So many models make one to begin with: of those who have been there longer."""
        self._waits_s = waits_s
        self._make, self._neighbours, self._start = make, frozenset(neighbours), start
        self._final, self._rounds, self._gathers_s = final, rounds, gathers_s
        self._state = _State.ASKING
        self._core: Protocol | None = None
        self._kept: dict[int, list[Message]] = {}
        """What those have said who are linked."""
        self._stands: dict[int, int] = {}
        self._got: dict[int, tuple[int, Vector]] = {}
        """Of whom a model has come, and where it says that it stands."""
        self._views: list[int] = []
        """Rounds of changes that were agreed to meanwhile."""

    @property
    def waiting_for(self) -> frozenset[int]:
        return self._core.waiting_for if self._core else self._neighbours

    def start(self, now: float) -> list[Action]:
        return [] if self._waits_s is None else [SetTimer(Timer.HAND_OUT, 0, now + self._waits_s)]

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        return self._core.on_trained(now, params) if self._core else []

    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]:
        if self._core:
            return self._core.on_evaluated(now, validation_loss)
        if self._state is not _State.TAKING:
            return []
        self._state = _State.TRAINING
        core = self._core = self._make(self._start)
        out = core.start(now)
        for round in self._views:
            out += core.on_timer(now, Timer.VIEW, round)
        for peer in sorted(self._kept):
            out += core.on_peer(now, peer, True)
        for peer, messages in sorted(self._kept.items()):
            for message in messages:
                out += core.on_message(now, peer, message)
        self._kept.clear()
        return out

    def on_message(self, now: float, sender: int, message: Message) -> list[Action]:
        if self._core:
            return self._core.on_message(now, sender, message)
        if sender not in self._kept:
            return []
        if message.kind is Kind.FINAL:
            return self._take(sender, message)
        if message.kind is Kind.HELLO:
            self._stands[sender] = min(message.at, self._rounds)
        kept = self._kept[sender]
        if message.content is not None:  # of a neighbour's models one, as everywhere
            kept[:] = [each for each in kept if each.content is None]
        kept.append(message)
        del kept[:-MOST_KEPT]
        return []

    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]:
        if self._core:
            return self._core.on_timer(now, timer, round)
        if timer is Timer.VIEW:
            self._views.append(round)
        if timer is Timer.HAND_OUT and self._state is _State.ASKING:
            self._state = _State.OVER
            return [Finish(UNMET, 0)]
        return []

    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]:
        if self._core:
            return self._core.on_peer(now, peer, reachable)
        self._kept.pop(peer, None)
        if peer not in self._neighbours or not reachable:
            return []
        self._kept[peer] = []
        return [Send(peer, Message(Kind.WANT, 0))] if self._state is _State.ASKING else []

    def on_stop(self, now: float) -> list[Action]:
        if self._core:
            return self._core.on_stop(now)
        self._state = _State.OVER
        return [Finish("stopped", 0)]

    def _take(self, sender: int, message: Message) -> list[Action]:
        if self._state is not _State.ASKING or message.params is None or sender not in self._givers:
            return []
        own = self._start.params
        model = self._final.unpacked(message.params, own)
        if model is None:
            return [Refuse(sender, "a model to begin with that is none")]
        self._got[sender] = message.at, model
        if len(self._got) < self._needed:
            return []
        self._state = _State.TAKING
        given = [self._got[peer][1] for peer in sorted(self._got)]
        begin = one_of(np.stack([own, *given]), stands_up=True) if self._needed > 1 else model
        since = self._start.completed
        words = [Word(self._stands.get(peer, self._got.get(peer, (since,))[0])) for peer in sorted(self._kept)]
        completed = place(since, words, neighbours=len(self._neighbours), last=self._rounds - 1, joining=True)
        self._start = replace(
            self._start,
            params=begin,
            completed=completed,
            progress=Progress(joined=completed),
            gathers_s=self._gathers_s if completed == since else None,
        )
        norm = float(np.linalg.norm(own)) or 1.0
        distance = {peer: float(np.linalg.norm(model - own)) / norm for peer, (_, model) in sorted(self._got.items())}
        weights = dict.fromkeys(distance, 1 / (1 + len(given)) if self._needed > 1 else 1.0)
        self._got.clear()
        return [Mixed(completed - 1, begin, weights, {}, distance, 0.0, handed=True)]


def _enough(givers: int) -> int:
    """Models of how many make one to begin with: of more than half, two at least, where there are two."""
    return min(givers, max(2, givers // 2 + 1))

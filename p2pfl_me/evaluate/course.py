"""What the gossip peers of a fold answer after every round, and what that took.

Nothing is chosen by it: the score of an evaluation is the last round's, whatever the course says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from p2pfl_me.message import Vector


@dataclass(frozen=True, slots=True)
class Turn:
    """One round of a fold: the class that each peer's model gives to each held-out item, by peer; and, until then, the
    bytes that a peer has sent and the seconds of a core that it has worked, means over the peers."""

    classes: dict[int, list[int]] = field(repr=False)
    sent: float
    seconds: float


@dataclass(frozen=True)
class Course:
    """All rounds of a fold, in their order, about its `items`."""

    items: tuple[int, ...] = field(repr=False)
    turns: tuple[Turn, ...] = field(repr=False)

    def to_json(self) -> Any:
        turns = [[turn.sent, round(turn.seconds, 4), list(turn.classes.items())] for turn in self.turns]
        return {"items": self.items, "turns": turns}


def course_from(values: Any) -> Course:
    """Raises ValueError, KeyError or TypeError where it is none."""
    turns = [
        Turn({int(peer): [int(each) for each in classes] for peer, classes in answers}, float(sent), float(seconds))
        for sent, seconds, answers in values["turns"]
    ]
    return Course(tuple(int(item) for item in values["items"]), tuple(turns))


class Recorder:
    """Hears the rounds of `gossiping.gossip` and asks each model about the held-out items.

    Parameters
    ----------
    peers:
        The number of each one that takes part, by its place.
    ask:
        From a model to its classes, in the order of the items.
    """

    def __init__(self, peers: Sequence[int], ask: Callable[[Vector], Sequence[int]]) -> None:
        self._peers, self._ask = peers, ask
        self._classes: dict[int, dict[int, list[int]]] = {}
        self._sent: dict[int, dict[int, float]] = {}
        self._until: dict[int, float] = {}
        self._begun, self._asking = time.process_time(), 0.0

    def __call__(self, round: int, place: int, model: Vector, sent: float) -> None:
        begun = time.process_time()
        self._until[round] = begun - self._begun - self._asking
        peer = self._peers[place]
        self._classes.setdefault(round, {})[peer] = list(self._ask(model))
        self._sent.setdefault(round, {})[peer] = sent
        self._asking += time.process_time() - begun

    def course(self, items: Sequence[int]) -> Course:
        """What it has heard."""
        turns = [
            Turn(self._classes[round], float(np.mean(list(self._sent[round].values()))), until / len(self._peers))
            for round, until in sorted(self._until.items())
        ]
        return Course(tuple(items), tuple(turns))

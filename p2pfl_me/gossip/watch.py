"""How far apart all peers are, known to each of them, without a server: gossiped random projections.

Consensus distance Xi^2 = 1/n sum ||x_i - mean||^2 (Kong et al., ICML 2021). Each window of rounds, every peer freezes
the sketch of its model and lets the exchange average the sketches along with the models. When the window ends,
everybody knows the mean sketch and so its own deviation from it; the squares of these are averaged in the next window.
The answer is therefore one to two windows old, which is what a stop rule can wait for.
"""

from __future__ import annotations

import math

import numpy as np

from p2pfl_me.gossip.protocol import Memory
from p2pfl_me.gossip.rules import Rule
from p2pfl_me.gossip.sketch import WIDTH, Sketcher
from p2pfl_me.message import Vector

TAIL = WIDTH + 1
"""Values that travel beside the model: a sketch and a squared deviation."""
QUIET = np.float32(2.0**-10)
"""Scales the tail, so that it does not show in the distances that are measured on whole messages."""

UNKNOWN = -1.0


class Watch:
    """A rule around another rule; the vector exchanged grows by `TAIL` values.

    Parameters
    ----------
    window:
        Rounds in which the graph averages well enough: the error that is left is that share of the distance itself.
    """

    def __init__(self, rule: Rule, sketcher: Sketcher, window: int, memory: Memory) -> None:
        self._rule, self._sketcher, self._window = rule, sketcher, window
        tail, frozen = memory.get("watch.tail"), memory.get("watch.frozen")
        self._tail: Vector = np.zeros(TAIL, np.float32) if tail is None else tail
        self._frozen: Vector | None = frozen
        marks = memory.get("watch.marks")
        self._opened, self._distance = (-1, UNKNOWN) if marks is None else (int(marks[0]), float(marks[1]))

    @property
    def distance(self) -> float | None:
        """The estimate of Xi / ||x_i||, None until two windows have passed."""
        return None if self._distance == UNKNOWN else self._distance

    def outgoing(self, round: int, start: Vector, trained: Vector) -> Vector:
        if round // self._window > self._opened:
            self._turn(round // self._window, start)
        return np.concatenate((self._rule.outgoing(round, start, trained), QUIET * self._tail))

    def _turn(self, window: int, start: Vector) -> None:
        """A window ends and the next begins; one that was missed leaves the estimate as it was."""
        mean, square = self._tail[:WIDTH], float(self._tail[WIDTH])
        deviation = 0.0
        if self._frozen is not None:
            deviation = float(np.square(self._frozen - mean, dtype=np.float64).sum())
        if self._opened >= 1 and window == self._opened + 1:
            norm = float(np.linalg.norm(start)) or 1.0
            self._distance = math.sqrt(max(0.0, square)) / norm
        self._opened, self._frozen = window, self._sketcher.sketch(start)
        self._tail = np.append(self._frozen, np.float32(deviation))

    def incoming(self, start: Vector, trained: Vector, mixed: Vector) -> Vector:
        self._tail = mixed[-TAIL:] / QUIET
        return self._rule.incoming(start, trained, mixed[:-TAIL])

    def late(self, round: int, correction: Vector) -> Vector:
        if round // self._window == self._opened:
            self._tail = self._tail + correction[-TAIL:] / QUIET
        return self._rule.late(round, correction[:-TAIL])

    def memory(self) -> Memory:
        if self._frozen is None:
            return self._rule.memory()
        marks = np.array([self._opened, self._distance])
        own = {"watch.tail": self._tail, "watch.frozen": self._frozen, "watch.marks": marks}
        return {**self._rule.memory(), **own}

"""The seam of noise before sharing: what a contract's `privacy.noise` names, and what a peer of it does each round.

One kind a file in `noise/`. The noise is laid over a round's model once, and all neighbours get the same: so a round is
one release however many neighbours there are, colluding ones learn no more than one, and averaging keeps what it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from p2pfl_me.choice import Choice, Registry
from p2pfl_me.message import Vector
from p2pfl_me.privacy.accounting import Release
from p2pfl_me.privacy.budget import Budget
from p2pfl_me.privacy.randomness import Randomness, Stream

Shared = Callable[[int, int], Stream]
"""(neighbour, round) -> a stream that only the two ends of that edge know, the same at both."""


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A graph whose edges stand, and its mixing matrix, float64 (n, n)."""

    edges: tuple[tuple[int, int], ...]
    mixing: npt.NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """What a peer's noise is made for."""

    peer: int
    count: int
    rounds: int
    seed: int
    budget: Budget | None
    randomness: Randomness
    graph: Standing | None = None
    shared: Shared | None = None


class Cover(Protocol):
    """One peer's noise."""

    def trains(self, round: int) -> bool:
        """Whether this peer trains in a round; one that does not passes on what it mixed, which costs nothing."""

    def price(self, round: int, again: bool) -> Release | None:
        """What a round gives away, None where nothing is counted. `again`: it was paid for before, in another life."""

    def over(self, round: int, again: bool, start: Vector, trained: Vector) -> Vector:
        """What may leave of a model that was trained from `start`, both float32 (P,)."""


class SharedNoise(Choice):
    """Noise that a peer lays over its trained model before anybody is sent any of it."""

    what: ClassVar[str] = "noise"
    is_private: ClassVar[bool] = True
    """It is differentially private, and spends of the budget."""
    needs_graph: ClassVar[bool] = False
    """It is worked out on a graph whose edges stand."""

    @property
    def draws(self) -> bool:
        """Whether not all peers train in a round."""
        return False

    @property
    def carried_by(self) -> tuple[str, ...]:
        return ("at",)

    def at(self, place: Place) -> Cover:
        """This noise at one peer."""
        raise self.unfinished("at")


NOISES = Registry(SharedNoise, "p2pfl_me.privacy.noise")
"""Every noise by its name in the contract."""


def cut(start: Vector, trained: Vector, norm: float) -> Vector:
    """`trained`, drawn back along its way from `start` to a distance of at most `norm`: a new vector, float32 (P,)."""
    with np.errstate(all="ignore"):
        change = trained - start
        length = float(np.sqrt(np.dot(change.astype(np.float64), change)))
    if not np.isfinite(length):  # what is no number may not leave
        return start.copy()
    if length > norm:
        change *= np.float32(norm / length)
    moved: Vector = start + change
    return moved


def rounds_paid(rounds: int, trains: Callable[[int], bool]) -> int:
    """How many of a contract's rounds a peer pays for, if nothing happens to it."""
    return sum(map(trains, range(rounds)))


def composed(release: Release, times: int) -> Iterable[Release]:
    """A release so many times over; none where that is never."""
    return [Release(release.noise, release.rate, release.steps * times)] if times else []

"""What a core that learns sums only is handed: what hides one life's models, and opens sums of the neighbours'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from p2pfl_me.message import Packed, Vector

Lives = Mapping[int, bytes]


class Sums(Protocol):
    """What hides a peer's models, and what it can learn of its neighbours'. One life's.

    Contents that nobody sends raise `WireError`.
    """

    @property
    def public(self) -> bytes:
        """The key of this life, for its neighbours' other neighbours."""

    @property
    def key(self) -> Packed:
        """What the neighbours are told: that key, and whatever else they need to hide models from this receiver."""

    @property
    def least(self) -> int:
        """The fewest models that a sum may hold."""

    @property
    def largest(self) -> float:
        """The largest value that a sum can have."""

    def knows(self, receiver: int, circle: Lives, *, all_there: bool) -> bool:
        """Whether a model can be masked for a receiver with that circle; `all_there`: with all its neighbours."""

    def read_key(self, sender: int, content: Packed) -> bytes:
        """The key of a neighbour's life; what else it told is remembered."""

    def read_lives(self, content: Packed) -> Lives: ...
    def say_lives(self, lives: Lives) -> Packed: ...
    def give(self, receiver: int, round: int, own: Vector, weight: float, circle: Lives) -> Packed | None: ...
    def all_given(self) -> None:
        """All models of a round have been given: nothing of them is kept."""

    def pledge(self, receiver: int, round: int, content: Packed) -> Packed | None:
        """The answer to a roster; None if there is none to be had, empty if it was given and is not kept."""

    def read_masked(self, content: Packed, size: int) -> Any: ...
    def read_pledge(self, content: Packed, size: int) -> Any:
        """None if the giver says that it could not read what it was handed."""

    def roster(self, lives: Lives, models: Mapping[int, Any]) -> Lives: ...
    def asks(self, roster: Lives, pledges: Mapping[int, Any]) -> Mapping[int, Packed]:
        """Who is to be told of the roster once so many have pledged themselves, and in which words."""

    def say_roster(self, roster: Lives) -> Packed: ...
    def read_roster(self, content: Packed) -> Lives: ...
    def total(self, roster: Lives, models: Mapping[int, Any], pledges: Mapping[int, Any], size: int) -> Vector: ...

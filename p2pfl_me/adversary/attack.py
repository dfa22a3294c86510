"""What an attack may change of an honest peer: its data, its training, its models, its messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from p2pfl_me.choice import Choice
from p2pfl_me.message import Message, Vector

if TYPE_CHECKING:
    from p2pfl_me.learning.trainer import Samples


@dataclass(frozen=True, slots=True)
class View:
    """What a liar knows when it sends a model to the peer `to`.

    `own` is what it would honestly send, `first` what it would have sent first of all, `heard` the newest models of
    honest peers that it has seen, all float32 (E,).
    `row` has W of `to` for each of its neighbours, `liars` are all who lie: they know each other.
    """

    me: int
    to: int
    round: int
    own: Vector = field(repr=False)
    first: Vector = field(repr=False)
    heard: Mapping[int, Vector] = field(repr=False)
    row: Mapping[int, float]
    liars: frozenset[int]
    random: np.random.Generator = field(repr=False)

    @property
    def around(self) -> dict[int, Vector]:
        """What was heard of `to` and its honest neighbours."""
        return {peer: self.heard[peer] for peer in sorted({self.to, *self.row} & self.heard.keys())}


class Attack(Choice):
    """One way to lie; every method left as it is does what an honest peer does."""

    what: ClassVar[str] = "attack"
    by_name_alone: ClassVar[bool] = True

    @property
    def falsifies(self) -> bool:
        """Whether models are replaced on their way out; then they must travel whole."""
        return type(self).instead is not Attack.instead

    def samples(self, samples: Samples, classes: int) -> Samples:
        """What the liar trains on."""
        return samples

    def trained(self, start: Vector, trained: Vector) -> Vector:
        """What the liar says that its training from `start` has come to."""
        return trained

    def instead(self, view: View) -> Vector:
        """The model to send, float32 (E,)."""
        return view.own

    def message(self, message: Message) -> Message | None:
        """The message to send, None for silence."""
        return message

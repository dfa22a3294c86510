"""What a host asks of a peer beside its core: to train, to conclude a round, to write down what happens."""

from __future__ import annotations

from typing import Protocol

from p2pfl_me.errors import P2pmeError
from p2pfl_me.gossip.protocol import Finish, Mixed
from p2pfl_me.message import Vector
from p2pfl_me.run.events import AnyEvent


class Work(Protocol):
    """The work of one life of a peer, under a real host or a simulated one."""

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        """The local epochs of a round; `seconds` is what they are said to have taken up to now, if not measured."""

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        """Score and keep a mixed round: what the peer starts from after a crash. The validation loss, if there is one.

        `sent` and `received` are bytes on the wire in this life.
        """

    def note(self, event: AnyEvent) -> None:
        """Write an event down."""

    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None:
        """This life has ended, with its core's last word or by an error."""


class Untold:
    """The base of work of which nobody reads a log."""

    def note(self, event: AnyEvent) -> None:
        """A run that is only asked for its models tells nothing."""

    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None:
        """Its end stands in the simulation."""

"""The seam between a protocol core and its hosts: the inputs a host feeds and the actions it must carry out.

A host calls one method at a time, in the order in which things happen, and carries out the returned actions in
their order. Links deliver each peer's messages in order while they are up and report when they go down; a core
must survive lost, late, early and repeated messages all the same. Times are seconds on the host's own monotonic
clock, whatever its origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any
from typing import Protocol as TypingProtocol

import numpy.typing as npt

from p2pfl_me.message import Message, Vector

Memory = Mapping[str, npt.NDArray[Any]]
"""A protocol's state beyond the model, by name; it goes into the checkpoint."""
NOTHING: Memory = MappingProxyType({})


class Timer(Enum):
    JOIN = "join"
    """The wait for the others before the first round is over."""
    BELIEVE = "believe"
    """One's patience is so far gone that a single word that the others have begun will do."""
    TELL = "tell"
    """It is time to tell the neighbours who is there."""
    ALONE = "alone"
    """The wait for any neighbour is over."""
    GREETING = "greeting"
    """The wait for the greetings of those whose links are up is over."""
    DEADLINE = "deadline"
    """The wait for the neighbours' models of one round is over."""
    LONG = "long"
    """Training takes so long that the neighbours should be told."""
    VIEW = "view"
    """The members have agreed to a change that holds from this round on. It is the host that rings, when it knows."""
    HAND_OUT = "hand_out"
    """The wait for the final models of those who are done is over."""


@dataclass(frozen=True, slots=True)
class Send:
    """Queue `message` for peer `to`."""

    to: int
    message: Message


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call `on_timer(now, timer, round)` once `at` has come."""

    timer: Timer
    round: int
    at: float


@dataclass(frozen=True, slots=True)
class Began:
    """The wait at the start is over. `missing` are those of whom nothing was heard."""

    missing: frozenset[int]


@dataclass(frozen=True, slots=True)
class Train:
    """Train from `params` (not to be written to) and call `on_trained` with the result."""

    round: int
    params: Vector = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mixed:
    """A round's averaging is done; evaluate, log, checkpoint, then call `on_evaluated`.

    `weights` are those of the neighbours that were mixed, `missing` says why the models of others did not come,
    `refused` why the aggregation rule left out some that did; `distance` is ||x_i - x_j|| / ||x_i|| for each neighbour
    whose model came and was measured, `wait` the seconds from the end of training to here. `memory`
    is what the core must find again, beside `params`, after a restart. `consensus` is its estimate of all peers'
    consensus distance relative to ||x_i||, where it has one. `late`: (neighbour, earlier round) of each exchange
    that was settled only now; where the rule is the weighted mean, it is in `params` since. `alone`: no neighbour took
    part, although one should have. `handed`: nothing was trained, this is the final model of neighbours that are done.
    """

    round: int
    params: Vector = field(repr=False)
    weights: Mapping[int, float]
    missing: Mapping[int, str]
    distance: Mapping[int, float]
    wait: float
    memory: Memory = field(default_factory=lambda: NOTHING, repr=False)
    consensus: float | None = None
    refused: Mapping[int, str] = field(default_factory=dict)
    late: tuple[tuple[int, int], ...] = ()
    alone: bool = False
    handed: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """What `peer` sent cannot be used, although its frame was sound: note it, and let it count against the peer."""

    peer: int
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The protocol is over for this peer. `rounds` counts those that it has trained, `skipped` those it has not, and
    `alone` those of the trained ones that it shared with nobody.

    `unsettled`: (neighbour, round) of each offer of which this peer did not learn in time whether it was
    answered: the neighbour may have averaged with it, and this peer has not. `stays_s`: the host keeps the links and
    goes on feeding the core for so long, or until it says `Leave`.
    """

    reason: str
    rounds: int
    unsettled: tuple[tuple[int, int], ...] = ()
    skipped: int = 0
    alone: int = 0
    stays_s: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether every round was trained, one at least, and none alone."""
        return self.rounds > 0 and not self.skipped and not self.alone


@dataclass(frozen=True, slots=True)
class Leave:
    """Nobody needs a peer any more that is done and has stayed."""


Action = Send | SetTimer | Began | Train | Mixed | Refuse | Finish | Leave


class Protocol(TypingProtocol):
    """What every host drives and every protocol core implements."""

    @property
    def waiting_for(self) -> frozenset[int]:
        """The neighbours without whom this peer does not go on now."""

    def start(self, now: float) -> list[Action]: ...
    def on_trained(self, now: float, params: Vector) -> list[Action]: ...
    def on_evaluated(self, now: float, validation_loss: float | None) -> list[Action]: ...
    def on_message(self, now: float, sender: int, message: Message) -> list[Action]: ...
    def on_timer(self, now: float, timer: Timer, round: int) -> list[Action]: ...
    def on_peer(self, now: float, peer: int, reachable: bool) -> list[Action]: ...
    def on_stop(self, now: float) -> list[Action]: ...

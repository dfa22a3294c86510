"""What a host feeds a core, as values: so that a peer's whole life can be written down and lived again."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pfl_me.gossip.protocol import Action, Protocol, Timer
from p2pfl_me.message import Message, Vector


@dataclass(frozen=True, slots=True)
class Started:
    """The life begins."""


@dataclass(frozen=True, slots=True)
class Trained:
    """Local training has ended with `params`, float32 (P,)."""

    params: Vector = field(repr=False)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A mixed round has been scored and stored."""

    validation_loss: float | None


@dataclass(frozen=True, slots=True)
class Heard:
    """A neighbour's message is whole."""

    sender: int
    message: Message


@dataclass(frozen=True, slots=True)
class Rang:
    """A timer that was set has come."""

    timer: Timer
    round: int


@dataclass(frozen=True, slots=True)
class Linked:
    """The link to `peer` has come up or gone down."""

    peer: int
    reachable: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """The user, or an error, ends the peer."""


Input = Started | Trained | Evaluated | Heard | Rang | Linked | Stopped


def feed(core: Protocol, now: float, given: Input) -> list[Action]:
    """Hand one input to a core at `now` (seconds on the host's own clock)."""
    match given:
        case Started():
            return core.start(now)
        case Trained(params):
            return core.on_trained(now, params)
        case Evaluated(loss):
            return core.on_evaluated(now, loss)
        case Heard(sender, message):
            return core.on_message(now, sender, message)
        case Rang(timer, round):
            return core.on_timer(now, timer, round)
        case Linked(peer, reachable):
            return core.on_peer(now, peer, reachable)
        case Stopped():
            return core.on_stop(now)

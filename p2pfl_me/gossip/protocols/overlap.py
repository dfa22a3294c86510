"""D-PSGD with the exchange beside the training instead of after it."""

from __future__ import annotations

from typing import ClassVar, Literal

from p2pfl_me.gossip.kind import RoundProtocol, Seat, Start
from p2pfl_me.gossip.overlapped import Overlapped
from p2pfl_me.gossip.protocol import NOTHING, Memory, Protocol
from p2pfl_me.gossip.rules import Rule, Unwatched
from p2pfl_me.message import Vector


class Overlap(RoundProtocol):
    """Lian et al., NeurIPS 2017, Algorithm 1, as it stands there: X <- W X + step(X), both at once.

    What a round trains is exchanged in the next one, so a round takes the longer of training and transfer instead of
    both. Until then a peer's own last steps stand in its model alone; so the last round exchanges after its training.
    """

    kind: Literal["overlap"] = "overlap"
    predicted: ClassVar[bool] = True
    compressible: ClassVar[bool] = True
    keeps_average: ClassVar[bool] = True
    overlaps: ClassVar[bool] = True

    def core(self, seat: Seat) -> Protocol:
        from p2pfl_me.gossip.rounds import round_core

        return round_core(seat, Overlapped)

    def rule(self, start: Start, rounds: int) -> Rule:
        return Beside(rounds - 1)


class Beside(Unwatched):
    """What the training starts from is averaged; what the training changed is added to that average.

    In round `last` what was trained is averaged, as in D-PSGD.
    """

    def __init__(self, last: int) -> None:
        self._last, self._is_last = last, False

    def outgoing(self, round: int, start: Vector, trained: Vector) -> Vector:
        self._is_last = round == self._last
        return trained if self._is_last else start

    def incoming(self, start: Vector, trained: Vector, mixed: Vector) -> Vector:
        return mixed if self._is_last else mixed + (trained - start)

    def memory(self) -> Memory:
        return NOTHING

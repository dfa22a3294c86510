"""A model's size against a line and the contract's deadline: the arithmetic, and the words for it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from p2pfl_me.contract import Contract
from p2pfl_me.counting import many
from p2pfl_me.doctor.finding import Finding, bad, good, note
from p2pfl_me.gossip.deadline import longest_s

TIGHT = 0.5
"""The share of the longest wait above which the sending alone leaves little for a neighbour that is slow."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as measured: `size` bytes went there and back in `seconds`, `trip_s` of them for the way alone."""

    size: int
    seconds: float
    trip_s: float

    @classmethod
    def of_rate(cls, bits_per_s: float) -> Line:
        """A line of so many bits a second each way, and no delay."""
        return cls(1 << 20, 2 * 8 * (1 << 20) / bits_per_s, 0.0)

    @property
    def bits_per_s(self) -> float:
        """Each way, if both are alike."""
        return 16 * self.size / max(self.seconds - self.trip_s, 1e-9)

    def exchange_s(self, model: int) -> float:
        """Seconds for a model of so many bytes to go and another to come: the offer of an edge, then its answer."""
        return self.trip_s + max(0.0, self.seconds - self.trip_s) * model / self.size


def weigh(about: str, contract: Contract, model: int, line: Line, *, shared_by: int = 1) -> Finding:
    """What the line means for every round of the contract.

    Parameters
    ----------
    model:
        Bytes of one model on its way.
    shared_by:
        Neighbours that have to share it and were not measured together.
    """
    transfers = contract.privacy.exchange.transfers
    one = line.exchange_s(transfers * model)
    seconds = one * shared_by
    rate = f"{line.bits_per_s / 1e6:.3g} Mbit/s"
    times = f"{transfers} times " if transfers > 1 else ""
    sum_ = f"{times}{model / 1e6:.3g} MB there and back at {rate} each way take {one:.3g} s"
    if shared_by > 1:
        sum_ += f", and {seconds:.3g} s for {many(shared_by, 'neighbour')} over one line"
    rounds = contract.training.rounds
    whole = f"{many(rounds, 'round', 'send')} for {_long(rounds * seconds)}"
    if not contract.gossip.protocol.common_rounds:
        return good(about, f"{sum_}; {contract.gossip.protocol.kind} waits for nobody; {whole}")
    limits = contract.gossip.deadline
    longest = longest_s(limits.min_s, limits.max_s)
    if seconds > longest:
        return bad(
            about,
            f"{sum_}, and a round waits for a neighbour {longest:.3g} s at most (gossip.deadline.max_s "
            f"{limits.max_s:g}): none would be shared",
            f"in all peers' contract set gossip.deadline.max_s above {seconds + 2 * limits.min_s:.0f}, or send less "
            "(model.trainable: head, gossip.compression), or take a wait-free protocol (docs/protocols.md)",
        )
    says = f"{sum_}, of the {longest:.3g} s that a round waits at most; {whole}"
    return (
        note(about, says, "a slow neighbour has little time left") if seconds > TIGHT * longest else good(about, says)
    )


def _long(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

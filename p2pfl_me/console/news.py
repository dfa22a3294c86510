"""What a listener is told after each round of a run, and how it asks for the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from p2pfl_me.console.watch import Concluded


@dataclass(frozen=True)
class RoundNews:
    """A round that all who go on have concluded, counted from 1 to `rounds`; `peers` are those that took part.

    `stop()` ends the run as Ctrl-C would: every peer keeps its last round.
    """

    round: int
    rounds: int
    peers: Mapping[int, Concluded]
    stop: Callable[[], None] = field(repr=False)

    def mean(self, metric: str) -> float | None:
        """The mean over these peers of the training loss ("loss") or of a test score ("uf1", "uar", "accuracy")."""
        found = [each.loss if metric == "loss" else each.scores.get(metric) for each in self.peers.values()]
        known = [value for value in found if value is not None]
        return sum(known) / len(known) if known else None


Listener = Callable[[RoundNews], object]
"""Called after each round; what it returns is not looked at."""

"""Where a peer stands by the lines of its log: what its status and a swarm's table both say of it."""

from __future__ import annotations

from dataclasses import dataclass

from p2pfl_me.run import events
from p2pfl_me.run.events import AnyEvent

AHEAD = frozenset({"absent", "joining", "joined", "training"})
"""States of a peer that may conclude another round."""


@dataclass
class Standing:
    """`state`: absent (no line), joining, joined, training, handed, hands out, or the reason why it ended. `round`
    counts those that are done, `sent` the bytes on the wire."""

    state: str = "absent"
    round: int = 0
    sent: int = 0

    def take(self, event: AnyEvent) -> None:
        """One more event; most say nothing of it."""
        match event:
            case events.Start():
                self.state = "joining"
            case events.Trained():
                self.state = "training"
            case events.Round():
                self.state, self.round, self.sent = "training", event.round + 1, event.bytes_sent
            case events.Traffic():
                self.sent = max(self.sent, event.bytes_sent)
            case events.Finish():
                self.state = event.reason.value
            case events.Handed():
                self.state, self.round = "handed", event.round + 1
            case events.HandsOut():
                self.state = "hands out"
            case events.Joined():
                self.state, self.round = "joined", event.round

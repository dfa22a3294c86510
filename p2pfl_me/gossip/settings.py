"""What every core needs of the contract, whatever its protocol."""

from __future__ import annotations

from dataclasses import dataclass

from p2pfl_me.gossip.stop import StopRule

REMEMBERED_ARRIVALS = 32
"""Past waits from which the next deadline is made."""


@dataclass(frozen=True, slots=True)
class Settings:
    """When to stop, and how long to wait."""

    stop: StopRule
    deadline_min_s: float
    deadline_max_s: float
    deadline_mads: float
    join_timeout_s: float

    def join_wait_s(self, completed: int) -> float:
        """How long to wait for all neighbours; one that comes back to a run under way waits only for greetings."""
        return min(self.join_timeout_s, self.deadline_min_s) if completed else self.join_timeout_s

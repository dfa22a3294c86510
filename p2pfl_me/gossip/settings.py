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

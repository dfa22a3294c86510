"""What every core needs of the contract, whatever its protocol."""

from __future__ import annotations

import math
from dataclasses import dataclass

from p2pfl_me.gossip.stop import StopRule

TICK_S = 1e-3
"""Timers of a real clock may ring so much early."""
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
    """The patience of the start, and of who is alone under `wait_alone`."""
    everyone: frozenset[int] = frozenset()
    """All whom the graph connects with this peer, itself among them."""
    quorum: int | None = None
    """How many of them begin together; None: one's own neighbours are enough."""
    seconds: float | None = None
    """How long to train by one's own clock, if time ends the run."""
    gathers_s: float | None = None
    """How long to wait for all before going on, where all go on together under a changed contract."""
    work: int | None = None
    """How many rounds all peers train together, if that ends the run."""
    wait_alone: bool = False
    """Whether a peer waits instead of training alone where nobody is linked, or too few for a sum under masks."""
    largest_norm: float = math.inf
    """Of what is sent: a larger one is refused by whoever it is sent to."""

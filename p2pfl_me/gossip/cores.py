"""From a contract to the core that a peer of it runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pfl_me.contract import Contract
from p2pfl_me.gossip.dpsgd import DPSGD, Settings
from p2pfl_me.gossip.protocol import Protocol
from p2pfl_me.gossip.stop import Progress, StopRule
from p2pfl_me.message import Vector
from p2pfl_me.topology.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Start:
    """Where a core starts: `completed` rounds are behind `params`, float32 (P,)."""

    params: Vector = field(repr=False)
    completed: int = 0
    progress: Progress = field(default_factory=Progress)


def core_of(contract: Contract, peer: int, schedule: Schedule, start: Start) -> Protocol:
    """The core of `peer`, ready to be driven by any host."""
    gossip, patience = contract.gossip, contract.gossip.patience
    settings = Settings(
        stop=StopRule(
            contract.training.rounds,
            patience=patience.rounds if patience else None,
            consensus=patience.consensus if patience else 0.0,
        ),
        deadline_min_s=gossip.deadline.min_s,
        deadline_max_s=gossip.deadline.max_s,
        deadline_mads=gossip.deadline.mads,
        join_timeout_s=gossip.join_timeout_s,
    )
    return DPSGD(
        peer,
        lambda round: schedule.weights(peer, round),
        tuple(schedule.neighbours(peer)),
        start.params,
        settings,
        completed=start.completed,
        progress=start.progress,
    )

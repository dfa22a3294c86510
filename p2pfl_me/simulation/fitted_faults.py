"""Faults as the fault model of the simulated network, fitted to how long the contract's rounds take there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from p2pfl_me.contract import Contract
from p2pfl_me.gossip.cores import exchanged_size
from p2pfl_me.simulation.faults import Crash, FaultModel
from p2pfl_me.simulation.pace import ORDINARY, exchange_seconds
from p2pfl_me.topology import plan_of

OUTAGE_ROUNDS = 3
"""Rounds that a peer misses when it goes away; its neighbours notice within one."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong in the network and with its peers, whatever the contract.

    `loss`: share of messages lost. `straggler`: how many times as long peer 0 takes. `churn`: share of the peers that
    go away and come back.
    """

    loss: float = 0.0
    straggler: float = 1.0
    churn: float = 0.0


def fault_model_of(faults: Faults, contract: Contract) -> FaultModel:
    """An ordinary network with the faults put in."""
    found = replace(ORDINARY, link=replace(ORDINARY.link, loss=faults.loss))
    if faults.straggler != 1:
        found = replace(found, slow={0: faults.straggler})
    away = round(faults.churn * contract.peers.count)
    if not away:
        return found
    round_s, rounds = round_seconds(contract), contract.training.rounds
    # One after the other, spread over the peers and over the middle of the run.
    crashes = tuple(
        Crash(at, (2 * place + 1) * contract.peers.count // (2 * away), at + OUTAGE_ROUNDS * round_s)
        for place in range(away)
        for at in [round_s * rounds * (place + 1) / (away + 2)]
    )
    return replace(found, crashes=crashes, silence_s=round_s)


def round_seconds(contract: Contract) -> float:
    """About how long an undisturbed round takes on the simulated network: its messages over the busiest peer's line."""
    layout = contract.model.layout
    message = 4 * exchanged_size(contract.gossip, layout.size, contract.personal_ranges)
    return exchange_seconds(plan_of(contract), 0, message)

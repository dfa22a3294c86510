"""From a contract to its directed schedule: arcs of any kind, the symmetric ones both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pfl_me.topology.arcs import DirectedSchedule, RankedArcs, as_directed
from p2pfl_me.topology.reach import require_dialable
from p2pfl_me.topology.schedule import Schedule, require_finished, schedule_of
from p2pfl_me.topology.slices import require_connected_slices

if TYPE_CHECKING:
    from p2pfl_me.contract import Contract


def directed_schedule_of(contract: Contract) -> DirectedSchedule:
    """The directed schedule that all peers of a contract follow, whatever its kind.

    Raises
    ------
    ContractError
        The topology cannot be built on the contract's peers.
    """
    require_finished(contract)
    if not contract.topology.one_way:
        return as_directed(schedule_of(contract))
    present, count = contract.peers.present, contract.peers.count
    arcs = contract.topology.among(present).arcs(len(present))
    return arcs if len(present) == count else RankedArcs(arcs, present, count)


Plan = Schedule | DirectedSchedule
"""What a protocol follows: edges, or arcs where it can."""


def link_count(plan: Plan) -> int:
    """Pairs that exchange in some round, counted a peer at a time: no edge is held."""
    return sum(len(plan.neighbours(peer)) for peer in range(plan.size)) // 2


def plan_of(contract: Contract) -> Plan:
    """Arcs for a protocol that follows them, edges for every other.

    Raises
    ------
    ContractError
        The topology cannot be built on the contract's peers, or has arcs only and the protocol needs edges, or peers of
        one width could not agree, or two neighbours only dial.
    """
    plan: Plan
    if contract.gossip.protocol.follows_arcs:
        plan = directed_schedule_of(contract)
    else:
        plan = schedule_of(contract)
        if contract.peers.widths:
            require_connected_slices(contract, plan)
    require_dialable(contract, plan)
    return plan

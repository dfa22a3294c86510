"""From a contract to its directed schedule: arcs of any kind, the symmetric ones both ways."""

from __future__ import annotations

from p2pfl_me.contract import Contract, model
from p2pfl_me.topology.arcs import CirculantSchedule, DirectedSchedule, as_directed
from p2pfl_me.topology.epidemic_local import EpidemicLocal
from p2pfl_me.topology.equitopo import HALF, basis, default_shifts, dynamic_shift, static_shares
from p2pfl_me.topology.one_peer import one_peer_exponential
from p2pfl_me.topology.schedule import Schedule, schedule_of
from p2pfl_me.topology.slices import require_connected_slices


def directed_equi_static(count: int, shifts: int | None, seed: int) -> CirculantSchedule:
    """D-EquiStatic: peer i sends to i + u (mod n) for every drawn shift u; see `equitopo`."""
    drawn = basis(count, default_shifts(count) if shifts is None else shifts, seed)
    shares = static_shares(count, drawn)
    return CirculantSchedule(count, 1, lambda round: shares, shares)


def directed_equi_dynamic(count: int, shifts: int | None, seed: int) -> CirculantSchedule:
    """OD-EquiDyn: in each round everyone sends half of itself u places on, for one random u; see `equi_dynamic`."""
    drawn = () if shifts is None else basis(count, shifts, seed)

    def shares_of(round: int) -> dict[int, float]:
        return {dynamic_shift(count, drawn, seed, round)[0]: HALF} if count > 1 else {}

    return CirculantSchedule(count, None, shares_of, drawn or range(1, count))


def directed_schedule_of(contract: Contract) -> DirectedSchedule:
    """The directed schedule that all peers of a contract follow, whatever its kind.

    Raises
    ------
    ContractError
        The topology cannot be built on the contract's peers.
    """
    topology, count = contract.topology, contract.peers.count
    match topology:
        case model.OnePeerExponential():
            return one_peer_exponential(count)
        case model.EpidemicLocal():
            return EpidemicLocal(count, topology.sends, topology.seed)
        case model.EquiStatic(directed=True):
            return directed_equi_static(count, topology.shifts, topology.seed)
        case model.EquiDynamic(directed=True):
            return directed_equi_dynamic(count, topology.shifts, topology.seed)
        case _:
            return as_directed(schedule_of(contract))


Plan = Schedule | DirectedSchedule
"""What a protocol follows: edges, or arcs where it can."""


def link_count(plan: Plan) -> int:
    """Pairs that exchange in some round, counted a peer at a time: no edge is held."""
    return sum(len(plan.neighbours(peer)) for peer in range(plan.size)) // 2


def plan_of(contract: Contract) -> Plan:
    """Arcs for push-sum, edges for every other protocol.

    Raises
    ------
    ContractError
        The topology cannot be built on the contract's peers, or has arcs only and the protocol needs edges, or peers of
        one width could not agree.
    """
    if contract.gossip.protocol == "push_sum":
        return directed_schedule_of(contract)
    schedule = schedule_of(contract)
    if contract.peers.widths:
        require_connected_slices(contract, schedule)
    return schedule

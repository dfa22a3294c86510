"""Whether memory suffices for all peers of a contract on the simulated network, asked before anything starts."""

from __future__ import annotations

from p2pfl_me.contract import Contract
from p2pfl_me.gossip.cores import exchanged_size
from p2pfl_me.machine import require_bytes
from p2pfl_me.topology import plan_of

MODELS = 4
"""Models that a simulated peer holds; computing is one peer's at a time, but every message under way holds another."""


def require_memory(contract: Contract, where: str, fix: str) -> None:
    """Refuse more peers than this machine's free memory can hold.

    Raises
    ------
    ContractError
        With the largest number of peers that would fit in place of {fit}. `where` is the contract's file.
    """
    layout, plan = contract.model.layout, plan_of(contract)
    message = 4 * exchanged_size(contract.gossip, layout.size, contract.personal_ranges)
    links = max(len(plan.neighbours(peer)) for peer in range(plan.size))
    meets = 1 if plan.period != 1 else links  # on a changing graph a few of the links are used in a round
    require_bytes(contract.peers.count, MODELS * 4 * layout.size + meets * message, where, fix)

"""Whether the machine has the memory for a comparison's swarm under an engine, asked before anything starts."""

from __future__ import annotations

from p2pfl_me.contract import Contract
from p2pfl_me.gossip.cores import exchanged_size
from p2pfl_me.learning.layout import layout_of
from p2pfl_me.swarm import memory
from p2pfl_me.topology import plan_of

SIMULATED_MODELS = 4
"""As `memory.PROCESS_MODELS`; computing is one peer's at a time, but every message that is under way holds a model."""
FIX = "take --peers {fit} or fewer, or --engine batched where the protocol has rounds"


def require_memory(contract: Contract, engine: str, where: str) -> None:
    """Refuse more peers than this machine's free memory can hold under `engine` (processes, simulate).

    Raises
    ------
    ContractError
        With the largest number of peers that would fit. `where` is the contract's file.
    """
    if engine == "processes":
        memory.require_memory(contract, where, FIX)
        return
    layout = layout_of(contract.model)
    message = 4 * exchanged_size(contract.gossip, layout.size, contract.at_home)
    plan = plan_of(contract)
    links = max(len(plan.neighbours(peer)) for peer in range(plan.size))
    meets = 1 if plan.period != 1 else links  # on a changing graph a few of the links are used in a round
    memory.require_bytes(contract, SIMULATED_MODELS * 4 * layout.size + meets * message, where, FIX)

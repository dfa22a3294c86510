"""Whether the machine has the memory for a swarm under an engine, asked before anything starts."""

from __future__ import annotations

from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError
from p2pfl_me.gossip.cores import exchanged_size
from p2pfl_me.learning.layout import layout_of
from p2pfl_me.simulation.memory import available_bytes
from p2pfl_me.topology import plan_of

PROCESS_BYTES = 90_000_000
"""What a real peer takes before its models: interpreter, torch's own pages, links (docs/measurements.md)."""
PROCESS_MODELS = 7
"""Models that a real peer holds: its own, trained, gradients, two moments, one that arrives, one that leaves."""
SIMULATED_MODELS = 4
"""As above; computing is one peer's at a time, but every message that is under way holds a model."""


def require_room(contract: Contract, engine: str, where: str) -> None:
    """Refuse more peers than this machine's free memory can hold under `engine` (processes, simulate).

    Raises
    ------
    ContractError
        With the largest number of peers that would fit. `where` is the contract's file.
    """
    layout = layout_of(contract.model)
    model = 4 * layout.size
    message = 4 * exchanged_size(contract.gossip, layout.size, layout.home)
    if engine == "processes":
        each = PROCESS_BYTES + PROCESS_MODELS * model
    else:
        plan = plan_of(contract)
        links = max(len(plan.neighbours(peer)) for peer in range(plan.size))
        meets = 1 if plan.period != 1 else links  # on a changing graph a few of the links are used in a round
        each = SIMULATED_MODELS * model + meets * message
    free, count = available_bytes(), contract.peers.count
    if each * count > free:
        raise ContractError(
            f"{count} peers take about {each * count / 1e9:.0f} GB, and {free / 1e9:.0f} GB are free",
            where=where,
            fix=f"take --peers {max(2, free // each)} or fewer, or --engine batched where the protocol has rounds",
        )

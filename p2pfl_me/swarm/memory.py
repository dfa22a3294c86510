"""Whether memory and open files suffice for all peers of a contract as real processes, asked before any starts."""

from __future__ import annotations

from p2pfl_me.contract import Contract
from p2pfl_me.counting import many
from p2pfl_me.errors import ContractError
from p2pfl_me.machine import allow_many_files, require_bytes

PROCESS_BYTES = 90_000_000
"""What a real peer takes before its models: interpreter, torch's own pages, links (docs/measurements.md)."""
PROCESS_MODELS = 7
"""Models that a real peer holds: its own, trained, gradients, two moments, one that arrives, one that leaves."""
OWN_FILES, PEER_FILES = 64, 8
"""Open files of a launcher: its own, and for each peer its log, the pipes to its process, and the fork server's."""
SWARM_FIX = "write --set peers.loopback.count={fit} or fewer, or take a machine with more memory"


def require_memory(contract: Contract, where: str = "", fix: str = SWARM_FIX) -> None:
    """Refuse more peers than this machine's free memory holds as real processes; see `machine.require_bytes`."""
    model = 4 * contract.model.layout.size
    each = PROCESS_BYTES + PROCESS_MODELS * model
    require_bytes(contract.peers.count, each, where or contract.name, fix)


def require_files(contract: Contract) -> None:
    """Raise this process's limit of open files, and refuse more peers than it can watch over.

    Raises
    ------
    ContractError
        With the largest number of peers that would fit.
    """
    allowed, count = allow_many_files(), contract.peers.count
    if OWN_FILES + count * PEER_FILES > allowed:
        raise ContractError(
            f"{many(count, 'peer', 'take')} about {OWN_FILES + count * PEER_FILES} open files here, "
            f"and {allowed} are allowed",
            where=contract.name,
            fix=f"write --set peers.loopback.count={max(1, (allowed - OWN_FILES) // PEER_FILES)} or fewer, or raise "
            "the limit (ulimit -Hn, LimitNOFILE of the unit)",
        )

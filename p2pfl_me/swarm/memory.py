"""Whether the machine has the memory for all peers of a contract as real processes, asked before any starts."""

from __future__ import annotations

import os
from pathlib import Path

from p2pfl_me.contract import Contract
from p2pfl_me.errors import ContractError
from p2pfl_me.learning.layout import layout_of

PROCESS_BYTES = 90_000_000
"""What a real peer takes before its models: interpreter, torch's own pages, links (docs/measurements.md)."""
PROCESS_MODELS = 7
"""Models that a real peer holds: its own, trained, gradients, two moments, one that arrives, one that leaves."""
SWARM_FIX = "write --set peers.loopback.count={fit} or fewer, or take a machine with more memory"


def available_bytes() -> int:
    """What Linux says can still be had without swapping; elsewhere, the machine's whole memory."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def require_memory(contract: Contract, where: str = "", fix: str = SWARM_FIX) -> None:
    """Refuse more peers than this machine's free memory holds as real processes; see `require_bytes`."""
    model = 4 * layout_of(contract.model).size
    require_bytes(contract, PROCESS_BYTES + PROCESS_MODELS * model, where or contract.name, fix)


def require_bytes(contract: Contract, each: int, where: str, fix: str) -> None:
    """Refuse more peers of `each` bytes than this machine has free.

    Raises
    ------
    ContractError
        With `fix`, in which {fit} becomes the largest number of peers that would fit, 1 at least.
    """
    free, count = available_bytes(), contract.peers.count
    if each * count > free:
        raise ContractError(
            f"{count} peers take about {each * count / 1e9:.0f} GB, and {free / 1e9:.0f} GB are free",
            where=where,
            fix=fix.format(fit=max(1, free // each)),
        )

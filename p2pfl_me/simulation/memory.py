"""Whether the machine has the memory for all peers' models, asked before anything is allocated."""

from __future__ import annotations

import os
from pathlib import Path

from p2pfl_me.errors import PeerError


def available_bytes() -> int:
    """What Linux says can still be had without swapping; elsewhere, the machine's whole memory."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def require_memory(count: int, size: int, extra: int, available: int) -> None:
    """Refuse `count` models of `size` float32 values and `extra` bytes where `available` bytes are too few.

    Raises
    ------
    PeerError
        With the largest number of peers that would fit.
    """
    needed = count * size * 4 + extra
    if needed > available:
        fit = max(0, (available - extra) // (size * 4))
        raise PeerError(
            f"{count} models of {size} values take {needed / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free",
            where="batched engine",
            fix=f"take at most {fit} peers, or a machine with more memory",
        )

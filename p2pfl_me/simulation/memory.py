"""Whether the machine has the memory for all peers' models, asked before anything is allocated."""

from __future__ import annotations

from p2pfl_me.errors import PeerError


def require_memory(count: int, size: int, links: int, extra: int, available: int) -> None:
    """Refuse `count` peers where `available` bytes are too few for all.

    Each has a model of `size` float32 values and `links` bytes of links; `extra` bytes are for all together.

    Raises
    ------
    PeerError
        With the largest number of peers that would fit.
    """
    each = size * 4 + links
    needed = count * each + extra
    if needed > available:
        fit = max(0, (available - extra) // each)
        raise PeerError(
            f"{count} models of {size} values and their links take {needed / 1e9:.1f} GB, "
            f"and {available / 1e9:.1f} GB are free",
            where="batched engine",
            fix=f"take at most {fit} peers, or a machine with more memory",
        )

"""How the C library keeps memory that models and records have left. A setting of the process, made once."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""glibc's malloc.h"""


def reuse_freed_memory() -> None:
    """Have glibc keep freed models and records and use them again, whichever thread frees them.

    By default each thread has a pool of its own and large blocks go back to the kernel: page faults cost a third of a
    link's speed, and pools that cannot share double a peer's memory. What is kept at most (256 MiB) is what a round of
    29 MB models needs at its widest: with less, a peer spends a tenth of its time on giving pages back and asking for
    them again. Other allocators are left as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, 32 << 20), (_M_TRIM_THRESHOLD, 256 << 20)):
        mallopt(option, value)

"""What other tests have freed, taken: a bound on growth is met only by who has nothing left to use again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from p2pfl_me.machine import _private_bytes

SIZES = (1 << 26, 1 << 24, 1 << 22, 1 << 20)


@contextmanager
def freed_memory_used_up() -> Iterator[None]:
    """In the block whatever takes a megabyte or more makes the process grow."""
    held = []
    for size in SIZES:
        grown = 0
        while grown < size:
            before = _private_bytes()
            held.append(bytearray(size))
            after = _private_bytes()
            assert before is not None and after is not None, "this system does not count memory"
            grown = after - before
    yield
    held.clear()

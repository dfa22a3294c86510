"""What other tests have freed, taken: a bound on growth is met only by who has nothing left to use again."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection

from p2pfl_me.machine import growing_at_most

SIZES = (1 << 26, 1 << 24, 1 << 22, 1 << 20)


def refusal_where_nothing_is_free(read: Callable[[], object], error: type[Exception]) -> str:
    """What `error` says, with which `read` ends, or "" where it ends well.

    It is called in a fork of this process: other threads, and what a collection of garbage finds, would give memory
    back in the middle of it, and whatever takes a megabyte or more is to make the process grow.
    """
    fork = get_context("fork")
    here, there = fork.Pipe(duplex=False)
    child = fork.Process(target=_read, args=(read, error, there))
    child.start()
    there.close()
    try:
        return str(here.recv())
    finally:
        child.join()


def _read(read: Callable[[], object], error: type[Exception], told: Connection) -> None:
    gc.collect()
    gc.disable()
    held = _freed_memory()
    try:
        read()
    except error as refusal:
        told.send(str(refusal))
    else:
        told.send("")
    held.clear()


def _freed_memory() -> list[bytearray]:
    """All of it: who is refused looks into every pool of the C library, and not only into the one it is used to."""
    held: list[bytearray] = []
    for size in SIZES:
        with suppress(MemoryError), growing_at_most(0):
            while True:
                held.append(bytearray(size))
    return held

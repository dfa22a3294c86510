"""Signals that stop a peer, heard by its event loop as long as that runs, then by whoever heard them before."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from p2pfl_me.exits import stop_signals


@contextmanager
def heard_by(loop: asyncio.AbstractEventLoop, stop: Callable[[], object]) -> Iterator[None]:
    """Have `stop` called in the loop for each of them within.

    A loop that closes gives up what wakes it before its handlers: of a signal in between Python would print a
    traceback, and one right behind that would kill the process, which has ended in order.
    """
    numbers = stop_signals()
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        try:
            for number, handler in before.items():
                loop.remove_signal_handler(number)
                signal.signal(number, handler)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)

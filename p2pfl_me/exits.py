"""Every exit code of `p2pme`, in one table: what a shell or a unit file may act on (docs/exit-codes.md)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType


class Exit(IntEnum):
    """Why a command ended."""

    DONE = 0
    FAILED = 1
    REFUSED = 2
    CANNOT_GO_ON = 3
    INCOMPLETE = 4
    DIVERGED = 5
    BUG = 70
    STOPPED = 130

    @property
    def says(self) -> str:
        return _SAYS[self]


def stop_signals() -> tuple[signal.Signals, ...]:
    """What stops a command in order: Ctrl-C, SIGTERM, SIGHUP; less what whoever started it has had ignored (nohup)."""
    heard = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return tuple(number for number in heard if signal.getsignal(number) is not signal.SIG_IGN)


@contextmanager
def stopped_as_by_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Every signal that stops a command raises KeyboardInterrupt within; who knows better sets its own.

    What is yielded says whether one has come: a library may make an error of its own of what is raised in its midst.
    """
    come: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        come.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in stop_signals()}
    try:
        yield lambda: bool(come)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """What a library does within to the signals that stop a command is undone: they are the command's."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no other thread can set one, neither the library nor we
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) != handler:
                signal.signal(number, handler)


def verdict(codes: Iterable[int | None]) -> Exit:
    """What the ends of all peers together are worth."""
    found = set(codes)
    if found <= {Exit.DONE}:
        return Exit.DONE
    return Exit.INCOMPLETE if found <= {Exit.DONE, Exit.INCOMPLETE} else Exit.FAILED


_SAYS = {
    Exit.DONE: "All that was asked is done, and was seen to be.",
    Exit.FAILED: "A part of it failed (a peer of a swarm, a cell of a comparison, a check); the lines above name it.",
    Exit.REFUSED: "What was asked cannot be done as it was asked (contract, data, key, option); nothing has run.",
    Exit.CANNOT_GO_ON: "A peer could not start or go on: a taken port, a full disk, a link that failed.",
    Exit.INCOMPLETE: "A peer came to its end without all of its rounds trained, or some of them shared with nobody; "
    "the log's last line counts them. A swarm: at least one peer did, and none failed. `doctor`: something could "
    "not be tried now.",
    Exit.DIVERGED: "Training diverged; the same contract would again.",
    Exit.BUG: "An error of p2pme itself; it names a file to report.",
    Exit.STOPPED: "Its user stopped it (Ctrl-C, SIGTERM, SIGHUP); what is kept can be gone on with.",
}

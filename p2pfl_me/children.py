"""Children of the fork server, each with one job: some at once, and none is left behind, whatever happens here."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from p2pfl_me.errors import P2pmeError
from p2pfl_me.exits import Exit
from p2pfl_me.output import put

STOP_S = 2.0
"""Seconds that stopped children have to say goodbye before they are killed."""
LOOK_S = 0.05
"""Seconds between looks at those that run."""
Job = tuple[Callable[..., None], tuple[Any, ...]]
"""A function that a child can import by its name, and its arguments."""


def _nobody_stops(seconds: float) -> bool:
    time.sleep(seconds)
    return False


class Children:
    """Starts children of a fork server. `stopped(seconds)` waits so long at most; True once all are to be stopped."""

    def __init__(self, context: ForkServerContext, stopped: Callable[[float], bool] = _nobody_stops) -> None:
        self._context, self._stopped = context, stopped

    def start(self, job: Job) -> ForkServerProcess:
        target, arguments = job
        process = self._context.Process(target=target, args=arguments, daemon=True)
        process.start()
        return process

    def run_all(self, jobs: Mapping[str, Job], say: Callable[[str], None], *, at_once: int = 1) -> int:
        """Do the jobs, some at once; the first exit code that is not 0, or 0. `say` hears of begins and ends."""
        waiting, running, worst = list(jobs.items()), dict[str, ForkServerProcess](), 0
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    title, job = waiting.pop(0)
                    say(title)
                    running[title] = self.start(job)
                if self._stopped(LOOK_S):
                    stop(running.values(), hard=False)
                    return Exit.STOPPED
                for title, process in list(running.items()):
                    if process.exitcode is not None:
                        del running[title]
                        if process.exitcode:
                            say(f"{title} {manner(process.exitcode)}")
                            worst = worst or (process.exitcode if process.exitcode > 0 else 1)
        except BaseException:
            stop(running.values(), hard=True)
            raise
        return worst


def stop(processes: Iterable[ForkServerProcess], *, hard: bool) -> None:
    """SIGTERM, and SIGKILL for whoever has not gone in time; or SIGKILL at once."""
    living = [process for process in processes if process.exitcode is None]
    for process in living:
        process.kill() if hard else process.terminate()
    until = time.monotonic() + STOP_S
    for process in living:
        process.join(max(0.0, until - time.monotonic()))
    for process in living:
        if process.exitcode is None:
            process.kill()
            process.join()


def manner(code: int | None) -> str:
    """How a child ended, as a sentence's end."""
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    if code == Exit.INCOMPLETE:
        return "came to its end without all of its rounds trained and shared"
    if code == Exit.DIVERGED:
        return "diverged"
    return f"ended with exit code {code}"


@contextmanager
def in_the_users_words() -> Iterator[None]:
    """In a child: its error is printed as the user should read it; its exit code says the rest."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the launcher, which ends its children
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    except P2pmeError as error:
        put(f"Error: {error}", sys.stderr)
        os._exit(error.exit_code)

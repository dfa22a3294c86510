"""Imported by a fork server before all else, until `swept`: what holds while it imports, for many seconds.

What it imports lives as long as it does, and needs no looking through: the collector goes through all objects again and
again while torch's modules are made, a sixth of the imports' time. Whoever is forked sets these objects aside for good
and collects its own (`workers`).

And nobody may wait for it any more. The server looks for the end of its parent's pipe when it has imported all; until
then it looks at a clock's beat whether it still is its parent's child. A thread would do that, too, but who forks
should have none; and the kernel's own signal of a parent's death (Linux) comes when the thread ends that started it.

Ctrl-C is its parent's, who starts it with that signal blocked: it is ignored from here on, by its children too.
"""

from __future__ import annotations

import gc
import os
import signal

STARTER = os.environ.get("P2PME_STARTER", "")
BEAT_S = 0.25


def _look(_number: int, _frame: object) -> None:
    if str(os.getppid()) != STARTER:
        os.kill(os.getpid(), signal.SIGKILL)


gc.disable()
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
signal.signal(signal.SIGALRM, _look)
signal.siginterrupt(signal.SIGALRM, False)  # who imports need not know of it
signal.setitimer(signal.ITIMER_REAL, BEAT_S, BEAT_S)

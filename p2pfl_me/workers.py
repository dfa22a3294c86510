"""Processes from one fork server: torch is imported once for all, with one thread each, and Ctrl-C is their parent's.

The server and its children share the terminal with the command that starts them, so Ctrl-C reaches them all. Only the
command answers it, and ends them in order.

The server and its children end with the process that started them, however that ends: kill -9 of a launcher leaves
nobody behind.

Children need modules of this package only, so none of them runs the program again that started it: a user's script that
calls `run_swarm` would start swarms in its own swarm's peers, and no `if __name__ == "__main__"` is asked of it.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, ForkServerProcess
from types import ModuleType

LEAVE_S = 5.0
"""Seconds that a child has to end in order when its parent has gone."""
FIRST, LAST = "p2pfl_me.unswept", "p2pfl_me.swept"
"""What a server imports before and after all else."""
STARTER = "P2PME_STARTER"
"""The environment's word for who starts a server, as `unswept` reads it: it may have gone before that."""
LONGEST_TMPDIR = 60
"""Bytes; what multiprocessing adds to it takes some 40."""
_HIDING = threading.Lock()


def fork_server(*preload: str) -> ForkServerContext:
    """Start the server, which imports the modules `preload`, unless it runs; do not wait for it."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # read when the libraries are imported there
    _leave_room_for_sockets()
    context = _Context()
    context.set_forkserver_preload([FIRST, *preload, LAST])
    os.environ[STARTER] = str(os.getpid())
    with _deaf_children():
        forkserver.ensure_running()
    _end_with_program()
    return context


@cache
def _end_with_program() -> None:
    """A server ends with this process, but not before it has imported all that nobody will ask it for, and holds the
    terminal or pipe until then."""

    def end() -> None:
        server: int | None = vars(forkserver._forkserver)["_forkserver_pid"]
        if server is not None and not multiprocessing.active_children():
            os.kill(server, signal.SIGKILL)

    atexit.register(end)


@contextmanager
def pool(size: int, preload: str) -> Iterator[ProcessPoolExecutor]:
    """`size` workers. Who leaves the block before they are done ends them; so does the end of this process."""
    executor = ProcessPoolExecutor(size, mp_context=fork_server(preload), initializer=_begin)
    try:
        with _interrupted_later():
            executor.submit(os.getpid)  # the first task starts all workers; half a start would be told by tracebacks
        yield executor
    finally:
        # Nobody waits for work whose result nobody will read.
        for child in multiprocessing.active_children():
            child.terminate()
        executor.shutdown(wait=True, cancel_futures=True)


def _leave_room_for_sockets() -> None:
    """The server listens at a Unix socket below TMPDIR, whose whole path Linux holds in 108 bytes."""
    config = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    if "tempdir" in config or len(os.fsencode(tempfile.gettempdir())) <= LONGEST_TMPDIR:
        return
    config["tempdir"] = folder = tempfile.mkdtemp(prefix="p2pme-", dir="/tmp")  # 0700
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


class _Process(ForkServerProcess):
    """A child that is not told where its parent's `__main__` lies."""

    def start(self) -> None:
        with _main_hidden():
            super().start()

    def run(self) -> None:
        """In the child: whoever started it may be killed, and it must not train on and hold its port."""
        gc.freeze()  # what all children share is never looked through, so never copied either
        gc.enable()
        threading.Thread(target=_end_with_parent, daemon=True, name="parent").start()
        super().run()


class _Context(ForkServerContext):
    Process = _Process


@contextmanager
def _main_hidden() -> Iterator[None]:
    """`__main__` is an empty module in the block, as in an interactive session, whose children import none either."""
    with _HIDING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextmanager
def _deaf_children() -> Iterator[None]:
    """What is started in the block hears no Ctrl-C from its first instruction, until `unswept` lets it ask otherwise;
    here one that comes meanwhile is answered after the block. Were it ignored here, it would be lost."""
    resource_tracker.ensure_running()  # which would let Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _interrupted_later() -> Iterator[None]:
    """Ctrl-C is answered at the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    come: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: come.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if come:
        raise KeyboardInterrupt


def _begin() -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """The parent holds a pipe that ends with it, however it ends. A peer takes leave of its neighbours first."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LEAVE_S)
        os._exit(1)

"""Worker processes around one set of arrays, for work of many short steps: threads would take turns at Python.

The workers are forked, as torch's DataLoader forks its own: all that stands at that moment is theirs too, without being
copied, and what they write into a `shared` array everybody sees. Only jobs and small results travel, through pipes.
"""

from __future__ import annotations

import gc
import math
import mmap
import multiprocessing
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from p2pfl_me.errors import PeerError

Job = Callable[..., Any]
_LINE = 16
"""Float32 values in 64 bytes."""
_HANDFULS = 32
"""Into so many parts each worker's share is cut, so that none waits long for the last."""


def shared(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Zeros, float32, in memory that forked processes share; every row begins on a cache line.

    Products of matrices that don't take longer, and round in another way.
    """
    *rows, length = shape
    stride = -(-length // _LINE) * _LINE
    size = math.prod(rows) * stride
    return np.frombuffer(mmap.mmap(-1, 4 * max(1, size)), np.float32, size).reshape(*rows, stride)[..., :length]


class Crew:
    """`size` workers who know the `jobs` by name; a crew of one is this process itself, and any where not on Linux.

    torch computes with one thread in each. Close it, or leave its `with` block: workers end with their crew or with
    this process, whatever ends that.
    """

    def __init__(self, jobs: Mapping[str, Job], size: int) -> None:
        self._jobs = jobs
        self._pipes: list[Connection] = []
        self._processes: list[BaseProcess] = []
        if size > 1 and sys.platform == "linux":
            self._hire(size)

    def _hire(self, size: int) -> None:
        fork = multiprocessing.get_context("fork")
        for _ in range(size):
            here, there = fork.Pipe()
            process = fork.Process(target=_serve, args=(there, [*self._pipes, here], self._jobs), daemon=True)
            with warnings.catch_warnings():
                # Python 3.12 warns of any fork beside threads. Torch's are idle here, and workers compute with one.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            there.close()
            self._pipes.append(here)
            self._processes.append(process)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the workers go, whatever they are at; what was shared stays."""
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            pipe.close()
            process.terminate()
            process.join()
        self._pipes, self._processes = [], []

    def map(self, job: str, items: Sequence[tuple[Any, ...]]) -> list[Any]:
        """What `job(*item)` gives for each of the items, in their order.

        Raises
        ------
        Exception
            The first that a job raised; the crew is of no use then.
        PeerError
            A worker was killed.
        """
        if not self._pipes:
            with _one_thread():
                return [self._jobs[job](*item) for item in items]
        length = max(1, len(items) // (len(self._pipes) * _HANDFULS))
        left = list(range(0, len(items), length))[::-1]
        results: list[Any] = [None] * len(items)
        given: dict[Connection, deque[int]] = {pipe: deque() for pipe in self._pipes}

        def give(pipe: Connection) -> None:
            if left:
                given[pipe].append(left.pop())
                pipe.send((job, items[given[pipe][-1] : given[pipe][-1] + length]))

        try:
            for pipe in 2 * self._pipes:  # one to do, and the next to go on with while this process is asleep
                give(pipe)
            while at_work := [pipe for pipe, begins in given.items() if begins]:
                for ready in wait(at_work):
                    assert isinstance(ready, Connection)
                    begin = given[ready].popleft()
                    results[begin : begin + length] = _answer(ready)
                    give(ready)
        except (EOFError, OSError):
            fix = "see whether the machine ran out of memory"
            raise PeerError("a worker of lockstep was killed", fix=fix) from None
        return results


def _answer(pipe: Connection) -> list[Any]:
    answer = pipe.recv()
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, list)
    return answer


def _serve(pipe: Connection, others: Sequence[Connection], jobs: Mapping[str, Job]) -> None:
    """A worker's life: it ends when the other end of its pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who hired it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for each in others:
        each.close()  # else the workers would hold each other's pipes open
    gc.freeze()  # what was inherited stays: no use in looking through it again and again
    with _one_thread():
        while True:
            try:
                job, items = pipe.recv()
                pipe.send(_results(jobs[job], items))
            except (EOFError, OSError):
                return


def _results(job: Job, items: Sequence[tuple[Any, ...]]) -> list[Any] | Exception:
    try:
        return [job(*item) for item in items]
    except Exception as error:
        return error


@contextmanager
def _one_thread() -> Iterator[None]:
    """torch's number of threads belongs to the process; it is put back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

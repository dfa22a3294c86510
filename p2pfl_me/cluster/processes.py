"""Units on this machine: one after the other, or each as soon as a process is free."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from p2pfl_me.cluster.hands import R, U
from p2pfl_me.errors import PeerError
from p2pfl_me.workers import pool


@dataclass(frozen=True, slots=True)
class Processes:
    """`jobs` processes that import `module`; none is started for the sake of a single unit."""

    jobs: int
    module: str

    def do(
        self, work: Callable[..., R], shared: Callable[[U], tuple[object, ...]], units: Sequence[U]
    ) -> Iterator[tuple[U, R]]:
        """See `Hands`."""
        if self.jobs == 1 or len(units) < 2:
            for unit in units:
                yield unit, work(*shared(unit), unit)
            return
        try:
            with pool(self.jobs, self.module) as workers:
                futures = {workers.submit(work, *shared(unit), unit): unit for unit in units}
                for future in as_completed(futures):
                    yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise PeerError(
                "a worker process died, perhaps for want of memory",
                where=f"--jobs {self.jobs}",
                fix="give the same command again with --jobs 1; what is finished is kept",
            ) from error

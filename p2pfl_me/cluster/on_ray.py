"""Units as Ray tasks: memory and core stated, tried again where a worker or its node dies, results to the driver alone.

Ray is imported here only, when units are to be done on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from p2pfl_me.cluster.hands import Need, R, U
from p2pfl_me.cluster.same import Program, program, require_same
from p2pfl_me.errors import P2pmeError, PeerError
from p2pfl_me.exits import handlers_kept
from p2pfl_me.machine import confined

RETRIES = 3
"""Times that a unit is begun again whose worker died."""
AHEAD = 2
"""Units a core that are handed out: nobody waits for the driver, and a long list costs the cluster nothing."""
KEPT = "give the same command again with the same --out; what is finished is kept"


@dataclass(frozen=True, slots=True)
class _Refused:
    """A unit's own error, as a value: Ray would wrap a raised one in a class and a traceback of its own."""

    error: P2pmeError


@dataclass(frozen=True, slots=True)
class RayHands:
    """The Ray cluster at `address`; a program that has joined one already goes on with that."""

    address: str
    need: Need

    def do(
        self, work: Callable[..., R], shared: Callable[[U], tuple[object, ...]], units: Sequence[U]
    ) -> Iterator[tuple[U, R]]:
        """See `Hands`. Shared objects go to a node once, whatever the number of its units."""
        if not units:
            return
        with joined(self.address) as ray:
            atonce = AHEAD * _require_room(ray, self.need)
            task = ray.remote(num_cpus=1, memory=self.need.memory, max_retries=RETRIES)(_done)
            put: dict[int, tuple[object, Any]] = {}  # the object, too: an id is its own only while it lives
            waiting, running = list(reversed(units)), dict[Any, U]()
            try:
                while waiting or running:
                    while waiting and len(running) < atonce:
                        unit = waiting.pop()
                        references = []
                        for part in shared(unit):
                            if id(part) not in put:
                                put[id(part)] = part, ray.put(part)
                            references.append(put[id(part)][1])
                        running[task.remote(program(), work, *references, unit)] = unit
                    (ready, *_), _ = ray.wait(list(running), num_returns=1)
                    unit = running.pop(ready)
                    yield unit, _result(ray, ready)
            finally:
                # Nobody waits for work whose result nobody will read.
                for reference in running:
                    ray.cancel(reference, force=True)


def _done(driver: Program, work: Callable[..., R], *arguments: object) -> R | _Refused:
    """In a worker, on whatever node."""
    import torch

    torch.set_num_threads(1)
    try:
        with confined(1):
            require_same(driver)
            return work(*arguments)
    except P2pmeError as error:
        return _Refused(error)


def _result(ray: Any, reference: Any) -> Any:
    try:
        found = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if "No module named" in str(error) or "failed to import" in str(error):
            raise PeerError(
                "a node of the cluster cannot import p2pfl_me or what it needs",
                where="--on",
                fix="install the same p2pfl_me on all nodes, for the Python that `ray start` runs under",
            ) from error
        raise
    except ray.exceptions.RayError as error:
        raise PeerError(
            f"a unit's worker died {RETRIES + 1} times, or the cluster went: {str(error).splitlines()[0]}",
            where="--on",
            fix=f"see `ray status` and the nodes' memory; {KEPT}",
        ) from error
    if isinstance(found, _Refused):
        raise found.error
    return found


@contextmanager
def joined(address: str) -> Iterator[Any]:
    """Ray, within its cluster at `address`; a program that is in one stays there.

    Raises
    ------
    PeerError
        There is no Ray, or nobody answers.
    """
    try:
        import ray
    except ImportError as error:
        raise PeerError("Ray is not installed", where="--on", fix="pip install 'p2pfl_me[ray]'") from error
    if ray.is_initialized():
        yield ray  # the caller's own, who leaves it
        return
    try:
        with handlers_kept():  # Ray's own ends a driver at SIGTERM with the signal's number, and without a word
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError, ImportError) as error:
        raise PeerError(
            f"no Ray cluster answers at `{address}`: {str(error).splitlines()[0]}",
            where="--on",
            fix="start one with `ray start --head`, or name another with --on HOST:PORT or RAY_ADDRESS",
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _require_room(ray: Any, need: Need) -> int:
    """The cluster's cores; a task that no node can ever hold would wait for ever, and is refused."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(node.get("CPU", 0) >= 1 and node.get("memory", 0) >= need.memory for node in nodes):
        most = max((node.get("memory", 0) for node in nodes if node.get("CPU", 0) >= 1), default=0)
        raise PeerError(
            f"a unit takes a core and {need.memory / 1e9:.1f} GB, and the roomiest node that computes has "
            f"{most / 1e9:.1f} GB",
            where="--on",
            fix="add a node with more memory, or start Ray there with --memory and --num-cpus",
        )
    return max(1, int(sum(node.get("CPU", 0) for node in nodes)))

"""Units on all cores, each as soon as a worker is free."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch

from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.errors import PeerError
from p2pfl_me.evaluate.dealing import deal
from p2pfl_me.evaluate.design import Design, Request
from p2pfl_me.evaluate.folds import Split
from p2pfl_me.evaluate.items import read_items
from p2pfl_me.evaluate.outcome import Outcome
from p2pfl_me.evaluate.train import Bench, do
from p2pfl_me.evaluate.units import Unit
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.network import initial_params
from p2pfl_me.workers import pool


def outcomes(design: Design, units: Sequence[Unit]) -> Iterator[tuple[Unit, Outcome]]:
    """Do `units` and give each when it is done.

    Raises
    ------
    P2pmeError
        A unit's own error, or a worker that died.
    """
    request = design.request
    job = job_of(design)
    if request.jobs == 1 or len(units) < 2:
        torch.set_num_threads(1)
        for unit in units:
            yield unit, do(_bench(job, unit.seed), unit)
        return
    try:
        with pool(request.jobs, "p2pfl_me.evaluate.train") as workers:
            futures = {workers.submit(_do, job, unit): unit for unit in units}
            for future in as_completed(futures):
                yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise PeerError(
            "a worker process died, perhaps for want of memory",
            where="evaluate",
            fix="give the same command again with --jobs 1; what is finished is kept",
        ) from error


@dataclass(frozen=True)
class Job:
    """What all units share; known by the design's digest alone, which covers the rest."""

    digest: str
    request: Request = field(compare=False)
    contract: Contract = field(compare=False)
    split: Split = field(compare=False)
    clips: tuple[Clip, ...] = field(compare=False)


def job_of(design: Design) -> Job:
    """The job of a design; its clips travel once."""
    request = replace(design.request, read=None)
    return Job(design.digest, request, design.contract, design.split, design.given)


def _do(job: Job, unit: Unit) -> Outcome:
    return do(_bench(job, unit.seed), unit)


@lru_cache(maxsize=1)
def _bench(job: Job, seed: int) -> Bench:
    """One seed's samples at a time: units come seed by seed, and a bank may be large."""
    request, split = job.request, job.split
    cache = cache_dir(request.home)
    agreed = job.contract.model_copy(update={"seed": seed})
    items = read_items(agreed, job.clips, request.protocol, cache=cache, weights=request.weights)
    start = initial_params(agreed, cache=cache, weights=request.weights)
    dealt = deal(agreed, items, split, request.peers)
    return Bench(agreed, items, split, dealt, start, course=request.target is not None)

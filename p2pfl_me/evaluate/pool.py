"""Units on all cores of this machine, each as soon as a worker is free; and what a worker needs for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch

from p2pfl_me.cluster.processes import Processes
from p2pfl_me.contract import Contract
from p2pfl_me.data.clip import Clip
from p2pfl_me.evaluate.dealing import deal
from p2pfl_me.evaluate.design import Design, Request
from p2pfl_me.evaluate.folds import Split
from p2pfl_me.evaluate.items import read_items
from p2pfl_me.evaluate.outcome import Outcome
from p2pfl_me.evaluate.train import Bench, do
from p2pfl_me.evaluate.units import Unit
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.network import initial_params


def outcomes(design: Design, units: Sequence[Unit]) -> Iterator[tuple[Unit, Outcome]]:
    """Do `units` and give each when it is done.

    Raises
    ------
    P2pmeError
        A unit's own error, or a worker that died.
    """
    job, hands = job_of(design), Processes(design.request.jobs, "p2pfl_me.evaluate.train")
    yield from hands.do(_do, lambda unit: (job,), units)


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
    torch.set_num_threads(1)  # in this very process, too, where it does the units itself
    return do(bench_of(job, unit.seed), unit)


@lru_cache(maxsize=1)
def bench_of(job: Job, seed: int) -> Bench:
    """One seed's samples at a time: units come seed by seed, and a bank may be large."""
    request, split = job.request, job.split
    cache = cache_dir(request.home)
    agreed = job.contract.model_copy(update={"seed": seed})
    items = read_items(agreed, job.clips, request.protocol, cache=cache, weights=request.weights)
    start = initial_params(agreed, cache=cache, weights=request.weights)
    dealt = deal(agreed, items.clips, split, request.peers)
    return Bench(agreed, items, split, dealt, start, course=request.target is not None)

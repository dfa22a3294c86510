"""Units on other machines: each node reads the clips at its own path and must find the same, or is sent features.

No clip leaves the machine that holds it. Features of faces are personal data, too: they travel where the user says so.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np

from p2pfl_me.cluster.hands import Need, hands_of
from p2pfl_me.cluster.place import HERE
from p2pfl_me.data.clip import Clip
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate.design import Design
from p2pfl_me.evaluate.items import Items, clips_digest, features_digest, read_clips, read_items
from p2pfl_me.evaluate.outcome import Outcome
from p2pfl_me.evaluate.pool import Job, bench_of, job_of, outcomes
from p2pfl_me.evaluate.side_by_side import outcomes_on
from p2pfl_me.evaluate.train import Bench, do
from p2pfl_me.evaluate.units import Unit
from p2pfl_me.home import cache_dir, home
from p2pfl_me.learning.trainer import Labels

PROCESS = 700_000_000
"""Bytes of a worker that has imported torch and trains something small."""
MODELS_A_PEER, MODELS = 6, 24
"""Models that gossip holds for each peer, and those of the arms that train alone, with what Adam and autograd keep."""

Shared = Callable[[Unit], tuple[object, ...]]


@dataclass(frozen=True)
class Errand:
    """What a node that has the clips needs beside its own files; `features` are the digests by seed."""

    job: Job
    clips: str
    features: Mapping[int, str] = field(compare=False)


def outcomes_at(design: Design, units: Sequence[Unit]) -> Iterator[tuple[Unit, Outcome]]:
    """Do `units` where the request says, and give each when it is done.

    Raises
    ------
    P2pmeError
        A unit's own error, a worker that died, or a node that has other clips or another program.
    """
    place = design.request.place
    if place.here or not units:
        yield from outcomes_on(design.device, design, units) if design.device.type != "cpu" else outcomes(design, units)
        return
    hands = hands_of(place, 1, bench_of.__module__, _need(design))
    if place.send:
        yield from hands.do(_on_what_was_sent, _sent(job_of(design)), units)
        return
    errand = _errand(design, sorted({unit.seed for unit in units}))
    yield from hands.do(_on_own_clips, lambda unit: (errand,), units)


def _need(design: Design) -> Need:
    bank = 4 * design.items.samples.bank.shape[1] * _rows(design.items).size
    models = MODELS_A_PEER * design.contract.peers.count + MODELS
    return Need(PROCESS + 2 * bank + 4 * models * design.contract.model.layout.size)


def _errand(design: Design, seeds: Sequence[int]) -> Errand:
    job, request = job_of(design), design.request
    cache = cache_dir(request.home)
    features = {
        seed: features_digest(
            read_items(design.of_seed(seed), job.clips, request.protocol, cache=cache, weights=request.weights)
        )
        for seed in seeds
    }
    # Where the clips lie here is no business of the nodes, but for the path that they look at, too.
    path = request.data.absolute() if request.data else None
    weights = request.weights.absolute() if request.weights else None
    there = replace(request, data=path, weights=weights, out=Path(), home=Path(), place=HERE)
    return Errand(replace(job, request=there, clips=()), design.clips, features)


def _on_own_clips(errand: Errand, unit: Unit) -> Outcome:
    return do(_own_bench(errand, unit.seed), unit)


@lru_cache(maxsize=1)
def _own_bench(errand: Errand, seed: int) -> Bench:
    request = replace(errand.job.request, home=home())
    bench = bench_of(replace(errand.job, request=request, clips=_own_clips(errand)), seed)
    if features_digest(bench.items) != errand.features[seed]:
        raise DataError(
            f"node {platform.node()} has the same clips, and its processor makes other features of them",
            where=str(request.data or "drawn clips"),
            fix="add --send, so that all nodes train on the features made where the command is given",
        )
    return bench


@lru_cache(maxsize=1)
def _own_clips(errand: Errand) -> tuple[Clip, ...]:
    request = errand.job.request
    where = str(request.data or "drawn clips")
    if request.data is not None and not request.data.exists():
        raise DataError(
            f"node {platform.node()} has no clips there",
            where=where,
            fix="give every node the clips at this path; or add --send, and the features of all clips go to the nodes",
        )
    clips = read_clips(request.contract, request.data, cache_dir(home()), request.rules)
    if clips_digest(clips) != errand.clips:
        raise DataError(
            f"node {platform.node()} has other clips there than the machine where the command was given",
            where=where,
            fix="copy the clips anew; or add --send, and the features of all clips go to the nodes",
        )
    return clips


def _sent(job: Job) -> Shared:
    """One object a set of features, whatever the number of seeds that share it, and one a seed for the rest."""
    kept: dict[str, Items] = {}

    @cache
    def of_seed(seed: int) -> tuple[Items, Callable[[Items], Bench]]:
        bench = bench_of(job, seed)
        key = features_digest(bench.items)
        if key not in kept:
            kept[key] = _alone(bench.items)
        return kept[key], partial(
            Bench, bench.contract, split=bench.split, dealt=bench.dealt, start=bench.start, course=bench.course
        )

    return lambda unit: of_seed(unit.seed)


def _on_what_was_sent(items: Items, bench: Callable[[Items], Bench], unit: Unit) -> Outcome:
    return do(bench(items), unit)


def _rows(items: Items) -> Labels:
    """The rows of the bank that these items use, each once, in order."""
    samples = items.samples
    return np.unique(samples.rows if samples.variants is None else np.append(samples.variants, samples.rows))


def _alone(items: Items) -> Items:
    """The same without what the bank, a file of this machine, holds of others."""
    samples, used = items.samples, _rows(items)
    variants = None if samples.variants is None else np.searchsorted(used, samples.variants)
    part = replace(
        samples, bank=np.array(samples.bank[used]), rows=np.searchsorted(used, samples.rows), variants=variants
    )
    # Where the files lie is no business of the nodes; that two clips are two still is.
    clips = tuple(replace(clip, path=Path(str(number))) for number, clip in enumerate(items.clips))
    return replace(items, clips=clips, samples=part)

"""All units of a seed at once on a device: all folds' models side by side, those of a fold mixed among themselves.

What they draw is what they draw one after the other on the processor (`train.do`), so the two can be told apart by
rounding alone.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import lcm

import numpy as np
import torch
from torch import Tensor

from p2pfl_me.evaluate.dealing import with_peers
from p2pfl_me.evaluate.design import Design
from p2pfl_me.evaluate.outcome import Guesses, Outcome
from p2pfl_me.evaluate.pool import bench_of, job_of
from p2pfl_me.evaluate.train import Bench, Learning, average_of, distance, learning, streams_of
from p2pfl_me.evaluate.units import Unit
from p2pfl_me.learning.stacked.step import StackedStep
from p2pfl_me.learning.stacked.trainer import Learner, StackedScorer, StackedTrainer, rows_for, step_of
from p2pfl_me.report.arms import Arm
from p2pfl_me.simulation.lockstep_device import columns_of, require_room
from p2pfl_me.simulation.mixing_tiles import Rows, mix_tile, rows_of
from p2pfl_me.topology import Edge, Schedule, schedule_of


def outcomes_on(device: torch.device, design: Design, units: Sequence[Unit]) -> Iterator[tuple[Unit, Outcome]]:
    """Do `units`, which come seed by seed, and give those of a seed when all of them are done.

    Raises
    ------
    P2pmeError
        Training diverged, or the models do not fit into the device's memory.
    """
    job = job_of(design)
    for seed, some in itertools.groupby(units, key=lambda unit: unit.seed):
        own = list(some)
        yield from zip(own, train_side_by_side(bench_of(job, seed), own, device), strict=True)


@dataclass(frozen=True)
class Apart:
    """Several schedules as one of all their peers, numbered through: nobody meets anybody of another."""

    parts: tuple[Schedule, ...] = field(repr=False)

    @property
    def size(self) -> int:
        return sum(each.size for each in self.parts)

    @property
    def period(self) -> int | None:
        periods = [each.period for each in self.parts]
        return None if None in periods else lcm(*(each for each in periods if each is not None))

    def edges(self, round: int) -> tuple[Edge, ...]:
        return tuple(
            Edge(first + edge.a, first + edge.b, edge.weight)
            for first, part in self._numbered()
            for edge in part.edges(round)
        )

    def neighbours(self, peer: int) -> tuple[int, ...]:
        first, part = self._of(peer)
        return tuple(first + other for other in part.neighbours(peer - first))

    def weights(self, peer: int, round: int) -> Mapping[int, float]:
        first, part = self._of(peer)
        return {first + other: weight for other, weight in part.weights(peer - first, round).items()}

    def _numbered(self) -> Iterator[tuple[int, Schedule]]:
        first = 0
        for part in self.parts:
            yield first, part
            first += part.size

    def _of(self, peer: int) -> tuple[int, Schedule]:
        *_, found = ((first, part) for first, part in self._numbered() if first <= peer)
        return found


def train_side_by_side(bench: Bench, units: Sequence[Unit], device: torch.device) -> list[Outcome]:
    """What `train.do` gives for each of `units`, all under the seed of `bench`; a core's seconds by their steps."""
    begun = time.process_time()
    contract, size = bench.contract, bench.contract.model.layout.size
    step = step_of(contract)
    assert step is not None, "asked where the design chose the device"
    all_who = [learning(bench, unit) for unit in units]
    gossip = [Learner(place, bench.items.part(own)) for who in all_who for place, own in enumerate(who.shards.values())]
    alone = [Learner(streams_of(peer), bench.items.part(own)) for who in all_who for _, peer, own in who.alone]
    require_room(len(gossip) + len(alone), size, device, contract.name)
    models = rows_for(len(gossip) + len(alone), size, device)
    models[:, :size] = torch.from_numpy(bench.start).to(device)
    swarm = models[: len(gossip), :size]
    schedule = Apart(tuple(schedule_of(with_peers(contract, len(who.shards))) for who in all_who if who.shards))
    rows: Rows | None = None
    mean = torch.zeros(size, device=device)
    trainer = StackedTrainer(contract, step, [*gossip, *alone], device)
    try:
        for round in range(contract.training.rounds):
            trainer.train(models, round)
            if gossip:
                if rows is None or schedule.period != 1:
                    rows = rows_of(schedule, round).to(device)
                for columns in columns_of(len(gossip), size, device):
                    mix_tile(swarm[:, columns], rows, mean[columns])
    finally:
        trainer.close()
    steps = [who.steps(bench) for who in all_who]
    asked = list(_asked(bench, step, all_who, models[:, :size], len(gossip)))
    seconds, total = time.process_time() - begun, sum(sum(each.values()) for each in steps)
    return [
        Outcome(guesses, each, apart, seconds * sum(each.values()) / total)
        for each, (guesses, apart) in zip(steps, asked, strict=True)
    ]


def _asked(
    bench: Bench, step: StackedStep, all_who: Sequence[Learning], models: Tensor, gossiping: int
) -> Iterator[tuple[tuple[Guesses, ...], float | None]]:
    """The answers of each unit's models, and how far apart those that gossiped are."""
    peers, others = 0, gossiping
    for who in all_who:
        apart, named = None, [(arm, peer) for arm, peer, _ in who.alone]
        chosen = models[others : others + len(who.alone)]
        if who.shards:
            swarm = models[peers : peers + len(who.shards)]
            here = swarm.cpu().numpy()
            mean = average_of(here)
            apart = distance(here, mean)
            named = [*((Arm.GOSSIP, peer) for peer in who.shards), (Arm.AVERAGE, -1), *named]
            chosen = torch.cat([swarm, torch.from_numpy(mean).to(models.device)[None], chosen])
        peers, others = peers + len(who.shards), others + len(who.alone)
        part = bench.items.part(who.test)
        with torch.inference_mode():
            scorer = StackedScorer(step, part, len(bench.contract.model.classes), models.device)
            classes = scorer.logits(chosen).argmax(2).cpu().tolist()
        items = tuple(np.unique(part.clips).tolist())
        yield (
            tuple(Guesses(arm, peer, items, tuple(own)) for (arm, peer), own in zip(named, classes, strict=True)),
            apart,
        )

"""The least that an evaluation's work could take: its training steps, at what a step takes alone on one core here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from p2pfl_me.evaluate.folds import Fold
from p2pfl_me.evaluate.outcome import Outcome
from p2pfl_me.evaluate.train import Bench, alone
from p2pfl_me.evaluate.units import peers_left
from p2pfl_me.report.arms import Arm

AGAIN, ENOUGH_S = 3, 1.0
"""A round is timed so often, and not again once that has taken so long; the fastest counts."""


@dataclass(frozen=True, slots=True)
class Floor:
    """`steps` of all arms together, what they take alone (`least_s`), and what the work took, in seconds of a core."""

    steps: int
    least_s: float
    took_s: float

    @property
    def words(self) -> str:
        each = 1e3 * self.least_s / self.steps
        return (
            f"{self.steps:,} training steps; at {each:.2g} ms each, measured just now on one core, they take "
            f"{self.least_s:.3g} s, and the work took {self.took_s:.3g} s of cores: {self.took_s / self.least_s:.2f} "
            "times that"
        )


def floor_of(bench: Bench, outcomes: Iterable[Outcome]) -> Floor:
    """Of finished units; `bench` is that of any of their seeds."""
    steps: Counter[str] = Counter()
    took = 0.0
    for each in outcomes:
        steps.update(each.steps)
        took += each.seconds
    step_s = _step_seconds(bench, bench.split.folds[0])
    return Floor(steps.total(), sum(step_s[Arm(arm)] * count for arm, count in steps.items()), took)


def _step_seconds(bench: Bench, fold: Fold) -> Mapping[Arm, float]:
    """Seconds of a training step: of a peer's own clips, and of all peers' together."""
    peer_of = bench.dealt[fold.pool]
    shards = [bench.kept([item for item in fold.train if peer_of[item] == peer]) for peer in peers_left(fold, peer_of)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        own = _timed(bench, max(shards, key=len), fold)
        return {
            Arm.GOSSIP: own,
            Arm.ISOLATED: own,
            Arm.POOLED: _timed(bench, [item for shard in shards for item in shard], fold),
        }
    finally:
        torch.set_num_threads(threads)


def _timed(bench: Bench, train: list[int], fold: Fold) -> float:
    trainer = alone(bench, 0, train, fold.test)
    best, begun = float("inf"), time.perf_counter()
    for _ in range(AGAIN):
        before, steps, took = time.process_time(), 0, 0.0
        while not took:  # some systems count processor time in ticks of 10 ms, and a small round takes less than one
            steps += trainer.train(bench.start, 0).steps
            took = time.process_time() - before
        best = min(best, took / steps)
        if time.perf_counter() - begun > ENOUGH_S:
            break
    return best

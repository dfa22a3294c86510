"""Rounds of thousands of peers in lockstep on one machine: train all, mix all, score all.

One (n, P) array holds all models. Each worker process trains one peer at a time with the peer's own trainer, whose
weights, gradients and moments stay in the core's cache; so shuffles, masks and bits are those of real peers.
Lian et al., "Can decentralized algorithms outperform centralized algorithms?", NeurIPS 2017, Algorithm 1, with local
epochs in place of one gradient step; or another of `gossip.rules` around the same averaging, or another aggregation
than the weighted mean: then each peer's row is made from its neighbours' by the function that real peers call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter

import numpy as np
import numpy.typing as npt
import torch

from p2pfl_me.aggregation import Neighbourhood
from p2pfl_me.contract import Contract
from p2pfl_me.errors import DataError
from p2pfl_me.gossip.cores import Start, exchanged_size, rule_of
from p2pfl_me.gossip.exchange import Content
from p2pfl_me.learning.metrics import Metrics
from p2pfl_me.learning.trainer import FeatureTrainer, Part, Samples
from p2pfl_me.machine import require_bytes, reuse_freed_memory
from p2pfl_me.message import Vector
from p2pfl_me.simulation.crew import Crew, Job, shared
from p2pfl_me.simulation.lockstep_edges import LockstepEdges, goes_over_edges
from p2pfl_me.simulation.mixing_tiles import (
    NARROWEST,
    TILE,
    Rows,
    Spread,
    mix_tile,
    replace_tile,
    rows_of,
    tiles_of,
    total,
)
from p2pfl_me.topology import Schedule

_WORKER_MODELS = 8
"""Vectors a worker holds beside its peer's row: trained copy, gradients, two moments, buffers; rounded up."""
_LINK_BYTES = 150
"""What a neighbour's share in a round takes in the lists from which the rows of W are made."""
FEWER = "take {fit} peers or fewer, or a machine with more memory"
CPU = torch.device("cpu")
KEPT = 16
"""Trainers that a worker keeps from round to round; ten thousand sets of buffers would not fit beside the models."""


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time of a round's parts."""

    training: float
    mixing: float
    evaluation: float


@dataclass(frozen=True, slots=True)
class Training:
    """Of all peers in one round: the mean loss of the last local epoch, float64 (n,), and the steps, int64 (n,)."""

    losses: npt.NDArray[np.float64] = field(repr=False)
    steps: npt.NDArray[np.int64] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RoundResult:
    """One round of all peers.

    `sent`: models sent, two an edge. `consensus_before`, `consensus_after`: sqrt(1/n sum ||x_i - mean||^2) of what is
    exchanged, around mixing. `scores` of each peer's own model and `average_score`, of the mean model, are None without
    evaluation.
    """

    round: int
    training: Training
    sent: int
    consensus_before: float
    consensus_after: float
    scores: tuple[Metrics, ...] | None = field(repr=False)
    average_score: Metrics | None = field(repr=False)
    seconds: Seconds


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one peer's aggregation made of its neighbours, as `Mixture` says it."""

    weights: Mapping[int, float]
    distance: Mapping[int, float]
    refused: Mapping[int, str]


class Lockstep:
    """All peers of a contract in lockstep, on the CPU. Its workers go with its `with` block; its models stay.

    Parameters
    ----------
    samples:
        What each peer trains on, by peer id; their banks may be one and the same array.
    start:
        The vector that all peers start from, float32 (P,).
    test:
        The common part that every peer's own model and the average model are scored on.
    workers:
        Processes that share the work; the result does not depend on it. Within each, torch computes with one thread.

    Raises
    ------
    DataError
        The number of peers differs between schedule and samples, or `start` has another length.
    ContractError
        The models would not fit into memory, or nothing carries out the contract's aggregation.
    """

    def __init__(
        self,
        contract: Contract,
        schedule: Schedule,
        samples: Sequence[Samples],
        *,
        start: Vector,
        test: Part | None = None,
        workers: int = 1,
    ) -> None:
        layout = contract.model.layout
        count, size = len(samples), layout.size
        if count != schedule.size:
            raise DataError(f"{count} peers have samples, the schedule has {schedule.size}", fix="give each peer some")
        if start.shape != (size,):
            raise DataError(
                f"the start has shape {start.shape}, the contract's model ({size},)", fix="see Model.layout"
            )
        contract.gossip.aggregation.require_finished()
        require_memory_for(contract, schedule, workers)
        self._contract, self._schedule = contract, schedule
        # Each worker's copies and buffers come and go by the megabyte: fetching them anew from the kernel takes longer.
        reuse_freed_memory()
        test = test and _gathered(test)
        self._samples = [Samples(each.train, test=test) for each in samples]
        self._scored = test is not None and len(test) > 0
        self.params: Vector = shared((count, size))
        """All peers' models, float32 (n, P); row i is peer i's."""
        self.params[:] = start
        self.trained = self.params
        """What local training made of them, float32 (n, P), until it is mixed."""
        self._exchanged, self._rules = self.params, None
        if not is_plain(contract):
            self.trained = shared((count, size))
            width = exchanged_size(contract.gossip, size, contract.personal_ranges)
            self._exchanged = shared((count, width))
            begin = Start(start, personal=contract.personal_ranges)
            self._rules = [rule_of(contract.gossip, begin, contract.training.rounds) for _ in samples]
        self._aggregation = contract.gossip.aggregation
        self._edges: LockstepEdges | None = None
        if goes_over_edges(contract):
            begin = Start(start, personal=contract.personal_ranges, shapes=layout.dimensions)
            self._edges = LockstepEdges(contract, schedule, begin)
        follows_rows = self._aggregation.follows_w and self._edges is None
        self._aggregated = None if follows_rows else shared(self._exchanged.shape)
        self.verdicts: tuple[Verdict, ...] | None = None
        """Of the last round, by peer; None under the weighted mean, which takes everybody as the schedule says."""
        self.contents: Mapping[tuple[int, int], Content] = {}
        """What the last round's peers sent where that is no whole model, by (sender, receiver)."""
        self._asked = shared((size,))
        """The one model that is scored though it is nobody's."""
        self._average = torch.from_numpy(shared((self._exchanged.shape[1],)))
        self._rows: tuple[int, Rows] | None = None
        self._trainers: dict[int, FeatureTrainer] = {}
        self._judge: FeatureTrainer | None = None
        jobs: dict[str, Job] = {
            "train": self._train,
            "mix": self._mix,
            "aggregate": self._aggregate,
            "replace": self._replace,
            "score": self._score,
        }
        self._crew = Crew(jobs, workers)

    def __enter__(self) -> Lockstep:
        return self

    def __exit__(self, *_: object) -> None:
        self._crew.close()

    def step(self, round: int, *, evaluate: bool = True) -> RoundResult:
        """Local epochs of every peer, then one mixing with the round's edges, then the scores.

        Raises
        ------
        WeightsError
            A peer's training diverged; the models are of no use then.
        """
        sent = 2 * len(self._schedule.edges(round))
        begun = perf_counter()
        training = self.train(round)
        trained = perf_counter()
        spread = self.mix(round)
        mixed = perf_counter()
        scores, of_average = self.score() if evaluate and self._scored else (None, None)
        count = len(self.params)
        return RoundResult(
            round,
            training,
            sent,
            math.sqrt(spread.before / count),
            math.sqrt(spread.after / count),
            scores,
            of_average,
            Seconds(trained - begun, mixed - trained, perf_counter() - mixed),
        )

    def train(self, round: int) -> Training:
        """Local epochs of every peer: fills `trained`."""
        found = self._crew.map("train", [(peer, round) for peer in range(len(self.params))])
        losses, steps = zip(*found, strict=True)
        return Training(np.array(losses, dtype=np.float64), np.array(steps, dtype=np.int64))

    def mix(self, round: int) -> Spread:
        """One exchange over the round's edges: `params` follow from `trained`."""
        if self._rules is not None:
            for peer, rule in enumerate(self._rules):
                self._exchanged[peer] = rule.outgoing(round, self.params[peer], self.trained[peer])
        tiles = tiles_of(*self._exchanged.shape)
        if self._edges is not None:
            spread = self._over_edges(self._edges, round, tiles)
        elif self._aggregated is None:
            spread = total(self._crew.map("mix", [(tile, round) for tile in tiles]))
        else:
            self.verdicts = tuple(self._crew.map("aggregate", [(peer, round) for peer in range(len(self.params))]))
            spread = total(self._crew.map("replace", [(tile,) for tile in tiles]))
        if self._rules is not None:
            for peer, rule in enumerate(self._rules):
                # Copies: a rule may keep what it is given, and these rows are written to in the next round.
                before, mixed = self.params[peer].copy(), self._exchanged[peer].copy()
                self.params[peer] = rule.incoming(before, self.trained[peer], mixed)
        return spread

    def _over_edges(self, edges: LockstepEdges, round: int, tiles: Sequence[slice]) -> Spread:
        assert self._aggregated is not None
        found = edges.exchange(round, self._exchanged)
        self.contents = found.contents
        self.verdicts = tuple(Verdict(dict(each.weights), dict(each.distance), {}) for each in found.mixtures)
        for peer, mixture in enumerate(found.mixtures):
            self._aggregated[peer] = mixture.params
        return total(self._crew.map("replace", [(tile,) for tile in tiles]))

    def score(self) -> tuple[tuple[Metrics, ...], Metrics]:
        """Each peer's own model, and the mean of all, on the test part."""
        self._asked[:] = self._average.numpy() if self._rules is None else self.average()
        *own, average = self._crew.map("score", [*((peer,) for peer in range(len(self.params))), (None,)])
        return tuple(own), average

    def fetch(self) -> None:
        """Let `params` and `trained` be what they say: the models may have been changed elsewhere."""

    def average(self) -> Vector:
        """The mean model, float32 (P,), summed in float64 in the order of peer ids."""
        total = np.zeros(self.params.shape[1], dtype=np.float64)
        for params in self.params:
            total += params
        mean: Vector = (total / len(self.params)).astype(np.float32)
        return mean

    def score_of(self, params: Vector) -> Metrics:
        """Any one model, float32 (P,), on the test part."""
        self._asked[:] = params
        return self._score(None)

    def _train(self, peer: int, round: int) -> tuple[float, int]:
        trainer = self._trainers.get(peer)
        if trainer is None:
            trainer = FeatureTrainer(self._contract, peer, self._samples[peer], CPU)
            if len(self._trainers) < KEPT:
                self._trainers[peer] = trainer
        if self._rules is not None:
            self.trained[peer] = self.params[peer]
        loss, steps = trainer.train_in_place(self.trained[peer], round)
        assert loss is not None, "no trainer of lockstep draws whom it trains on"
        return loss, steps

    def _mix(self, tile: slice, round: int) -> Spread:
        if self._rows is None or (self._schedule.period != 1 and self._rows[0] != round):
            self._rows = round, rows_of(self._schedule, round)
        return mix_tile(torch.from_numpy(self._exchanged)[:, tile], self._rows[1], self._average[tile])

    def _aggregate(self, peer: int, round: int) -> Verdict:
        assert self._aggregated is not None
        row = self._schedule.weights(peer, round)
        models = {other: self._exchanged[other] for other in row}
        around = Neighbourhood(peer, round, self._contract.training.rounds, self._exchanged[peer], row, models)
        found = self._aggregation.aggregate(around)
        self._aggregated[peer] = found.params
        return Verdict(dict(found.weights), dict(found.distance), dict(found.refused))

    def _replace(self, tile: slice) -> Spread:
        assert self._aggregated is not None
        old, new = torch.from_numpy(self._exchanged)[:, tile], torch.from_numpy(self._aggregated)[:, tile]
        return replace_tile(old, new, self._average[tile])

    def _score(self, peer: int | None) -> Metrics:
        params = self._asked if peer is None else self.params[peer]
        if self._judge is None:  # whose does not matter: the test part is one for all
            self._judge = FeatureTrainer(self._contract, 0, self._samples[0], CPU)
        metrics = self._judge.evaluate(params, "test")
        assert metrics is not None, "scored only where there is a test part"
        return metrics


def require_memory_for(contract: Contract, schedule: Schedule, workers: int, where: str = "") -> None:
    """Refuse peers of a contract whose models and links would not fit into this machine's free memory.

    Raises
    ------
    ContractError
        With the largest number of peers that would fit. `where` is the contract's file.
    """
    layout = contract.model.layout
    size = layout.size
    if not is_plain(contract):
        # Model, trained and exchanged vector, and what the rule remembers: at most another exchanged one.
        size = 2 * size + 2 * exchanged_size(contract.gossip, layout.size, contract.personal_ranges)
    if not contract.gossip.aggregation.follows_w:
        size += exchanged_size(contract.gossip, layout.size, contract.personal_ranges)
    count = schedule.size
    used = (schedule.neighbours(peer) if schedule.period == 1 else schedule.weights(peer, 0) for peer in range(count))
    ends = sum(map(len, used))
    links = _LINK_BYTES * ends // count
    if goes_over_edges(contract):
        # Two replicas at each end of an edge, and every peer's model once more while all are exchanged.
        exchanged = exchanged_size(contract.gossip, layout.size, contract.personal_ranges)
        size += exchanged * (2 + 2 * -(-ends // count))
    overhead = workers * (_WORKER_MODELS * layout.size + 4 * max(TILE, NARROWEST * count)) * 4
    require_bytes(count, 4 * size + links, where or contract.name, FEWER, shared=overhead)


def _gathered(part: Part) -> Part:
    """The part with a bank of its own rows: thousands of models are scored on them, one after the other."""
    return replace(part, bank=np.ascontiguousarray(part.bank[part.rows]), rows=np.arange(len(part.rows)))


def is_plain(contract: Contract) -> bool:
    """Whether the trained models themselves are averaged: then one array is all it takes."""
    return contract.gossip.protocol.exchanges_model and not contract.gossip.personal

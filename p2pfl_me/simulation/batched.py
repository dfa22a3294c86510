"""Synchronous D-PSGD for thousands of peers in one process: train all, mix all, score all, round by round.

One (n, P) array holds all models. Each worker thread trains one peer at a time with the peer's own trainer, whose
weights, gradients and moments stay in the core's cache; so shuffles, masks and bits are those of real peers.
Lian et al., "Can decentralized algorithms outperform centralized algorithms?", NeurIPS 2017, Algorithm 1, with local
epochs in place of one gradient step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import numpy.typing as npt
import torch

from p2pfl_me.contract import Contract
from p2pfl_me.errors import DataError
from p2pfl_me.learning.layout import layout_of
from p2pfl_me.learning.metrics import Counts
from p2pfl_me.learning.trainer import FeatureTrainer, Part, Samples
from p2pfl_me.message import Vector
from p2pfl_me.simulation.memory import available_bytes, require_memory
from p2pfl_me.simulation.mixing_tiles import NARROWEST, TILE, mix_all, rows_of
from p2pfl_me.topology import Schedule

_WORKER_MODELS = 8
"""Vectors a worker holds beside its peer's row: trained copy, gradients, two moments, buffers; rounded up."""
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time of a round's parts."""

    training: float
    mixing: float
    evaluation: float


@dataclass(frozen=True, slots=True)
class RoundResult:
    """One round of all peers.

    `losses` float64 (n,): mean training loss of the last local epoch. `sent`: models sent, two an edge.
    `consensus_before`, `consensus_after`: sqrt(1/n sum ||x_i - mean||^2) around mixing.
    `confusions` int64 (n, K, K) and `average_confusion` (K, K), of the mean model, are None without evaluation.
    """

    round: int
    losses: npt.NDArray[np.float64] = field(repr=False)
    sent: int
    consensus_before: float
    consensus_after: float
    confusions: Counts | None = field(repr=False)
    average_confusion: Counts | None = field(repr=False)
    seconds: Seconds


class BatchedEngine:
    """All peers of a contract in lockstep, on the CPU.

    Parameters
    ----------
    samples:
        What each peer trains on, by peer id; their banks may be one and the same array.
    start:
        The vector that all peers start from, float32 (P,).
    test:
        The common part that every peer's own model and the average model are scored on.
    threads:
        Worker threads; the result does not depend on it. Within each, torch computes with one thread.

    Raises
    ------
    DataError
        The number of peers differs between schedule and samples, or `start` has another length.
    PeerError
        The models would not fit into memory.
    """

    def __init__(
        self,
        contract: Contract,
        schedule: Schedule,
        samples: Sequence[Samples],
        *,
        start: Vector,
        test: Part | None = None,
        threads: int = 2,
    ) -> None:
        count, size = len(samples), layout_of(contract.model).size
        if count != schedule.size:
            raise DataError(f"{count} peers have samples, the schedule has {schedule.size}", fix="give each peer some")
        if start.shape != (size,):
            raise DataError(f"the start has shape {start.shape}, the contract's model ({size},)", fix="see layout_of")
        overhead = threads * (_WORKER_MODELS * size + 4 * max(TILE, NARROWEST * count)) * 4
        require_memory(count, size, overhead, available_bytes())
        self._contract, self._schedule, self._threads = contract, schedule, threads
        self._samples = [Samples(each.train, test=test) for each in samples]
        self._scored = test is not None and len(test) > 0
        self.params: Vector = np.empty((count, size), dtype=np.float32)
        """All peers' models, float32 (n, P); row i is peer i's."""
        self.params[:] = start
        self._average = torch.empty(size)

    def step(self, round: int, *, evaluate: bool = True) -> RoundResult:
        """Local epochs of every peer, then one mixing with the round's edges, then the scores.

        Raises
        ------
        WeightsError
            A peer's training diverged; the models are of no use then.
        """
        peers = range(len(self.params))
        with _workers(self._threads) as pool:
            begun = perf_counter()
            losses = np.fromiter(pool.map(lambda peer: self._train(peer, round), peers), np.float64)
            trained = perf_counter()
            models = torch.from_numpy(self.params)
            spread = mix_all(models, rows_of(self._schedule, round), self._average, pool.map)
            mixed = perf_counter()
            confusions, of_average = None, None
            if evaluate and self._scored:
                confusions = np.stack(list(pool.map(lambda peer: self._score(peer, self.params[peer]), peers)))
                of_average = pool.submit(self._score, 0, self._average.numpy()).result()
        return RoundResult(
            round,
            losses,
            2 * len(self._schedule.edges(round)),
            math.sqrt(spread.before / len(peers)),
            math.sqrt(spread.after / len(peers)),
            confusions,
            of_average,
            Seconds(trained - begun, mixed - trained, perf_counter() - mixed),
        )

    def _train(self, peer: int, round: int) -> float:
        # A trainer lives only while its peer trains: ten thousand sets of buffers would not fit beside the models.
        trained = FeatureTrainer(self._contract, peer, self._samples[peer], _CPU).train(self.params[peer], round)
        self.params[peer] = trained.params
        return trained.loss

    def _score(self, peer: int, params: Vector) -> Counts:
        metrics = FeatureTrainer(self._contract, peer, self._samples[peer], _CPU).evaluate(params, "test")
        assert metrics is not None, "scored only where there is a test part"
        return metrics.confusion


@contextmanager
def _workers(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in which torch computes alone; its process-wide number of threads is put back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)

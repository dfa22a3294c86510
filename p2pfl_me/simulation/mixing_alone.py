"""Mixing without training: peers start from vectors drawn at random and only exchange, by the cores of real peers.

What is left of their distance, round by round, is what the graph's eigenvalues predict, or something is wrong.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.errors import P2pmeError
from p2pfl_me.gossip.cores import Start, core_of, exchanged_size, largest_value
from p2pfl_me.gossip.protocol import Finish, Mixed
from p2pfl_me.message import Vector
from p2pfl_me.peer.duty import Untold
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.codec import Schema

SIZE = 1024
"""Values of the vectors that are mixed: so many directions tell the expected distance to about a per cent."""


@dataclass(frozen=True, slots=True)
class Course:
    """What was measured after 0, 1, ..., T rounds.

    `distance`, float64 (T + 1,): sqrt(mean_i ||x_i - mean of all at the start||^2) as a share of the first one.
    `models`, float64 (T + 1,): models that a peer had sent, on average.
    """

    distance: npt.NDArray[np.float64] = field(repr=False)
    models: npt.NDArray[np.float64] = field(repr=False)


def follows_its_matrix(contract: Contract) -> bool:
    """Whether mixing alone is what the graph predicts: whole models, all of each, averaged and nothing else."""
    gossip = contract.gossip
    more = gossip.compression or gossip.personal or gossip.patience or contract.peers.widths
    form = contract.privacy.exchange
    plain = not more and not form.needs_keys and not form.parts_only
    return gossip.protocol.predicted and gossip.aggregation.follows_w and plain


def mix_alone(contract: Contract, rounds: int) -> Course:
    """Run `rounds` rounds of a contract that `follows_its_matrix` on a calm network."""
    training = contract.training.model_copy(update={"rounds": rounds})
    contract = contract.model_copy(update={"training": training})
    plan, tally = plan_of(contract), _Tally(contract)

    def boot(peer: int) -> Life:
        core = core_of(contract, peer, plan, Start(tally.starts[peer]))
        return Life(core, _Idle(peer, tally, lambda: simulation.network.models[peer]))

    simulation = Simulation(
        boot,
        {peer: plan.neighbours(peer) for peer in range(plan.size)},
        FaultModel(),
        Schema(
            exchanged_size(contract.gossip, SIZE, ()), b"mixing".ljust(32, b"."), largest=largest_value(contract.gossip)
        ),
        clock=Clock(),
        seed=contract.seed,
    )
    simulation.run()
    first = tally.distance(tally.starts)
    measured = [tally.squares[round] for round in range(rounds)]
    return Course(
        np.sqrt([1.0, *(square / plan.size / first**2 for square in measured)]),
        np.array([0.0, *(tally.models[round] / plan.size for round in range(rounds))]),
    )


class _Tally:
    """Squared distances and models sent by round, summed over peers as they come."""

    def __init__(self, contract: Contract) -> None:
        count = contract.peers.count
        drawn = [np.random.default_rng(derive_seed(contract.seed, "mixing alone", peer)) for peer in range(count)]
        self.starts = np.stack([random.standard_normal(SIZE, dtype=np.float32) for random in drawn])
        self._mean = self.starts.mean(axis=0, dtype=np.float64)
        self.squares: dict[int, float] = defaultdict(float)
        self.models: dict[int, int] = defaultdict(int)

    def distance(self, models: Vector) -> float:
        return math.sqrt(float(np.square(models - self._mean).sum()) / len(models))

    def add(self, round: int, params: Vector, models: int) -> None:
        self.squares[round] += float(np.square(params - self._mean).sum())
        self.models[round] += models


class _Idle(Untold):
    """No training; what was mixed is measured."""

    def __init__(self, peer: int, tally: _Tally, models: Any) -> None:
        self._peer, self._tally, self._models = peer, tally, models

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        return params

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        self._tally.add(mixed.round, mixed.params, self._models())
        return None

    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None:
        if error:
            raise error

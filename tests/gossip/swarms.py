"""Small swarms in the simulator, with training and a fault model of one's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.errors import P2pmeError
from p2pfl_me.gossip.cores import Start, core_of, exchanged_size, largest_value, packed_limit
from p2pfl_me.gossip.protocol import Finish, Mixed
from p2pfl_me.gossip.protocol import Protocol as Core
from p2pfl_me.gossip.stop import advance
from p2pfl_me.message import Vector
from p2pfl_me.networks.layout import Ranges
from p2pfl_me.peer.duty import Untold
from p2pfl_me.run.events import AnyEvent, Begin
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.topology import plan_of
from p2pfl_me.wire.codec import Schema

Train = Callable[[int, int, Vector], Vector]
"""(peer, round, params) -> trained."""

CALM = FaultModel()
NO_LIARS: Mapping[int, Callable[[Core], Core]] = {}


def contract_of(
    topology: Mapping[str, Any], count: int, rounds: int, gossip: Mapping[str, Any], seed: int = 1
) -> Contract:
    return Contract.model_validate(
        {
            "version": 1,
            "name": "small",
            "seed": seed,
            "topology": topology,
            "peers": {"loopback": {"count": count}},
            "training": {"rounds": rounds},
            "data": {"validation_fraction": 0.1},
            "gossip": {"deadline": {"min_s": 2.0, "max_s": 30.0}, **gossip},
        }
    )


@dataclass
class Swarm:
    """What a run left behind."""

    starts: dict[int, Start] = field(default_factory=dict)
    mixed: dict[int, list[Mixed]] = field(default_factory=lambda: defaultdict(list))
    finished: dict[int, Finish] = field(default_factory=dict)
    failed: dict[int, P2pmeError] = field(default_factory=dict)
    ended: dict[int, float] = field(default_factory=dict)
    """peer -> when its last round was over"""
    left: dict[int, float] = field(default_factory=dict)
    """peer -> when it went, after it had stayed for others"""
    began: dict[int, float] = field(default_factory=dict)
    """peer -> when its start was over"""
    missing: dict[int, frozenset[int]] = field(default_factory=dict)
    """peer -> who was not there then"""
    sent: dict[int, int] = field(default_factory=dict)

    @property
    def params(self) -> Vector:
        """(n, P)"""
        return np.stack([self.starts[peer].params for peer in sorted(self.starts)])

    def memory(self, name: str) -> Vector:
        """(n, ...)"""
        return np.stack([self.starts[peer].memory[name] for peer in sorted(self.starts)])


def run(
    contract: Contract,
    begin: Vector,
    train: Train,
    faults: FaultModel = CALM,
    *,
    home: Ranges = (),
    liars: Mapping[int, Callable[[Core], Core]] = NO_LIARS,
    around: Callable[[int, Core], Core] = lambda peer, core: core,
    loss: Callable[[int, int], float | None] = lambda peer, round: None,
    may_fail: bool = False,
) -> Swarm:
    """From `begin` (n, P) to the end; `liars` put something else around the cores of some peers, and `around` around
    those of all. `loss`: (peer, round) -> that of its validation."""
    swarm, schedule, size = Swarm(), plan_of(contract), begin.shape[1]

    clock = Clock()

    def boot(peer: int) -> Life:
        start = swarm.starts.setdefault(peer, Start(begin[peer].copy(), personal=home))
        core = liars.get(peer, lambda core: core)(core_of(contract, peer, schedule, start))
        return Life(around(peer, core), _Work(peer, train, loss, swarm, clock, home))

    simulation = Simulation(
        boot,
        {peer: schedule.neighbours(peer) for peer in range(schedule.size)},
        faults,
        Schema(
            exchanged_size(contract.gossip, size, home),
            b"small".ljust(32, b"."),
            packed_limit(contract, size, home, ()),
            largest_value(contract.gossip),
        ),
        clock=clock,
        seed=contract.seed,
    )
    assert simulation.run(1e7), "somebody still runs"
    assert may_fail or not swarm.failed
    swarm.finished, swarm.sent = dict(simulation.finished), dict(simulation.network.sent)
    return swarm


class _Work(Untold):
    def __init__(
        self,
        peer: int,
        train: Train,
        loss: Callable[[int, int], float | None],
        swarm: Swarm,
        clock: Clock,
        home: Ranges,
    ) -> None:
        self._peer, self._train, self._loss = peer, train, loss
        self._swarm, self._clock, self._home = swarm, clock, home

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        return self._train(self._peer, round, params)

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        self._swarm.mixed[self._peer].append(mixed)
        self._swarm.ended[self._peer] = self._clock.now
        start, loss = self._swarm.starts[self._peer], self._loss(self._peer, mixed.round)
        self._swarm.starts[self._peer] = Start(
            mixed.params,
            mixed.round + 1,
            advance(start.progress, loss, alone=mixed.alone),
            mixed.memory,
            self._home,
        )
        return loss

    def note(self, event: AnyEvent) -> None:
        if isinstance(event, Begin):
            self._swarm.began.setdefault(self._peer, self._clock.now)
            self._swarm.missing.setdefault(self._peer, frozenset(event.missing))

    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None:
        if error:
            self._swarm.failed[self._peer] = error
        self._swarm.left[self._peer] = self._clock.now

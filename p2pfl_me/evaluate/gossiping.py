"""Gossip on shards in memory, by the peers' own cores: in lockstep where the protocol is, else on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.engines import EngineName
from p2pfl_me.errors import PeerError
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.protocol import Mixed
from p2pfl_me.learning.protections import rehearsal
from p2pfl_me.learning.trainer import Samples, Trainer, make_trainer
from p2pfl_me.message import Vector
from p2pfl_me.peer.duty import Untold
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.simulation.carriage import model_bytes
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.simulation.keys import simulated_keys
from p2pfl_me.simulation.lockstep_rounds import Lockstep
from p2pfl_me.simulation.pace import ORDINARY
from p2pfl_me.topology import plan_of, schedule_of

Told = Callable[[int, int, Vector, float], None]
"""Hears (round, peer, its model, the bytes that it has sent so far) after every exchange."""


def engine_of(contract: Contract) -> EngineName:
    """Synchronous rounds go in lockstep, bit for bit what real peers reach; other protocols, and compression, by the
    cores themselves, which exchange messages over a simulated network without faults."""
    gossip = contract.gossip
    privacy = contract.privacy
    whole = gossip.compression is None and not privacy.exchange.parts_only
    plain = whole and not privacy.exchange.needs_keys and not privacy.protects
    return "lockstep" if gossip.protocol.in_lockstep and plain else "simulate"


def gossip(contract: Contract, samples: Sequence[Samples], start: Vector, told: Told | None = None) -> Vector:
    """All peers' models after the last round, float32 (n, P).

    Bytes are those of the models and all that goes with them on a real link; greetings at the start are left out.

    Raises
    ------
    ContractError
        The topology cannot be built on so many peers.
    WeightsError, PeerError
        Training diverged; a peer never finished.
    """
    if engine_of(contract) == "lockstep":
        schedule, size = schedule_of(contract), model_bytes(contract)
        sent = [0] * len(samples)
        with Lockstep(contract, schedule, samples, start=start, workers=1) as engine:
            for round in range(contract.training.rounds):
                engine.step(round, evaluate=False)
                for edge in schedule.edges(round):
                    sent[edge.a] += size
                    sent[edge.b] += size
                for peer, model in enumerate(engine.params if told else ()):
                    assert told is not None
                    told(round, peer, model, sent[peer])
            return engine.params
    return _simulated(contract, samples, start, told)


def _simulated(contract: Contract, samples: Sequence[Samples], start: Vector, told: Told | None) -> Vector:
    plan, layout = plan_of(contract), contract.model.layout
    works = [
        _Work(peer, make_trainer(contract, peer, own, "cpu", means=rehearsal(contract, peer)), start, told)
        for peer, own in enumerate(samples)
    ]

    def boot(peer: int) -> Life:
        keys = simulated_keys(contract, peer, 0, rehearsed=True)
        begin = Start(start, personal=contract.personal_ranges, shapes=layout.dimensions, keys=keys)
        return Life(core_of(contract, peer, plan, begin), works[peer])

    # A peer takes as long as it has steps to do; no seed of this run's own decides anything.
    slow = {peer: float(contract.training.steps(len(own.train))) for peer, own in enumerate(samples)}
    simulation = Simulation(
        boot,
        {peer: plan.neighbours(peer) for peer in range(plan.size)},
        replace(ORDINARY, slow=slow),
        schema_of(contract, layout),
        clock=Clock(),
        seed=contract.seed,
    )
    simulation.run()
    for error in simulation.failed.values():
        raise error
    if missing := set(range(plan.size)) - set(simulation.finished):
        raise PeerError(f"peer {min(missing)} never finished", where=contract.gossip.protocol.kind)
    return np.stack([work.params for work in works])


class _Work(Untold):
    """A peer that only trains: nothing is logged or kept before the last round."""

    def __init__(self, peer: int, trainer: Trainer, params: Vector, told: Told | None) -> None:
        self._peer, self._trainer, self.params, self._told = peer, trainer, params, told

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        return self._trainer.train(params, round).params

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        self.params = mixed.params
        if self._told:
            self._told(mixed.round, self._peer, mixed.params, sent)
        return None

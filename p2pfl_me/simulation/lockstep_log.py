"""What a swarm in lockstep leaves behind: the event logs and checkpoints that real peers would, and their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from p2pfl_me.contract import Contract, digest
from p2pfl_me.gossip.exchange import carrying
from p2pfl_me.gossip.sketch import Sketcher, encode_sketch
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.learning.metrics import Metrics
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.peer.checkpoint import Checkpoint, save_checkpoint
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.peer.shard import Shard
from p2pfl_me.peer.start import start_event
from p2pfl_me.run import events
from p2pfl_me.run.events import AnyEvent, Reason
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog
from p2pfl_me.simulation.carriage import Plain
from p2pfl_me.simulation.lockstep_rounds import CPU, Lockstep, Training, Verdict
from p2pfl_me.simulation.pace import STEP_S, exchange_seconds
from p2pfl_me.topology import Schedule

SKETCHED = 256
"""Peers whose sketches are logged, spread over all: so many tell the consensus distance to a few per cent."""
KEPT = 256
"""The largest swarm whose final models are written down, a megabyte or more each."""


class LockstepLog:
    """The logs of all peers. They are opened for each line: thousands would be too many to hold open."""

    def __init__(
        self, run: Path, contract: Contract, schedule: Schedule, epoch: float, device: torch.device = CPU
    ) -> None:
        count, self._device = contract.peers.count, device
        self._run, self._contract, self._schedule, self._epoch = run, contract, schedule, epoch
        layout = contract.model.layout
        self._schema = schema_of(contract, layout)
        self._model = np.zeros(self._schema.size, dtype=np.float32)
        self._sketcher = Sketcher(layout.size, contract.seed)
        self._sketched = set(np.linspace(0, count - 1, min(count, SKETCHED)).round().astype(int).tolist())
        self._sketches: dict[int, str] = {}
        self._seconds = 0.0
        self._sent, self._received = [0] * count, [0] * count
        for peer in range(count):
            for other in schedule.neighbours(peer):
                self._pass(peer, other, Message(Kind.HELLO, 0, 0))

    def start(self, peer: int, shard: Shard) -> None:
        """The first line of a log."""
        self._write(peer, start_event(self._contract, peer, self._device, 1, shard, None))

    def trained(self, engine: Lockstep) -> None:
        """Look at the models between training and mixing."""
        self._sketches = {peer: self._sketch(engine.trained[peer]) for peer in self._sketched}

    def round(self, round: int, engine: Lockstep, training: Training, scores: Sequence[Metrics] | None) -> None:
        """A round's line in every log."""
        for edge in self._schedule.edges(round):
            low, high = min(edge.a, edge.b), max(edge.a, edge.b)
            self._pass(high, low, carrying(Kind.OFFER, round, round, engine.contents.get((high, low), self._model)))
            self._pass(low, high, carrying(Kind.ANSWER, round, round, engine.contents.get((low, high), self._model)))
        begun = self._seconds
        longest = max((content.nbytes for content in engine.contents.values()), default=self._model.nbytes)
        exchange = exchange_seconds(self._schedule, round, longest)
        slowest, rounds = STEP_S * int(training.steps.max()), self._contract.training.rounds
        beside = self._contract.gossip.protocol.overlaps and round + 1 < rounds
        self._seconds += max(slowest, exchange) if beside else slowest + exchange
        for peer, params in enumerate(engine.params):
            steps = int(training.steps[peer])
            verdict = engine.verdicts[peer] if engine.verdicts else Verdict(self._schedule.weights(peer, round), {}, {})
            told = events.Round(
                round=round,
                loss=float(training.losses[peer]),
                steps=steps,
                train_seconds=STEP_S * steps,
                wait_seconds=_short(self._seconds - begun - STEP_S * steps),
                weights=dict(verdict.weights),
                missing={},
                refused=dict(verdict.refused),
                distance={other: _short(distance) for other, distance in verdict.distance.items()},
                norm=float(np.linalg.norm(params)),
                test=scores[peer].scores() if scores else None,
                validation=None,
                sketch_trained=self._sketches.get(peer),
                sketch_mixed=self._sketch(params) if peer in self._sketched else None,
                bytes_sent=self._sent[peer],
                bytes_received=self._received[peer],
                seconds=_short(self._seconds),
                round_seconds=_short(self._seconds - begun),
            )
            self._write(peer, told)

    @property
    def sent(self) -> Sequence[int]:
        """Bytes that each peer has sent."""
        return self._sent

    def finish(self, engine: Lockstep, rounds: int, reason: Reason) -> None:
        """The last line of every log, and the final models of a swarm that is not too large for that."""
        layout = self._contract.model.layout
        here = digest(self._contract).hex(), layout.digest().hex()
        for peer, params in enumerate(engine.params):
            model = hashlib.sha256(params.data).hexdigest()
            self._write(peer, events.Finish(reason, rounds, digest=model))
            if len(engine.params) <= KEPT:
                save_checkpoint(self._run, Checkpoint(peer, rounds, params, Progress(), *here))

    def _pass(self, sender: int, to: int, message: Message) -> None:
        """Count a message as the real links do, seals and framing included."""
        wire = sum(size for _, size in Plain(sender, to, self._schema).pack(message))
        self._sent[sender] += wire
        self._received[to] += wire

    def _sketch(self, params: Vector) -> str:
        return encode_sketch(self._sketcher.sketch(params))

    def _write(self, to: int, event: AnyEvent) -> None:
        log = EventLog(RunFolder(self._run).log(to), clock=lambda: self._epoch + self._seconds, limit=None)
        try:
            log.write(event)
        finally:
            log.close()


def _short(value: float) -> float:
    return round(value, 6)

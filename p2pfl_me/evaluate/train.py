"""One unit of work: train without the held-out items, then ask every model about them. No item is asked twice."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.data.few_shot import few_shot
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate.course import Recorder
from p2pfl_me.evaluate.dealing import with_peers
from p2pfl_me.evaluate.folds import Fold, Split
from p2pfl_me.evaluate.gossiping import gossip
from p2pfl_me.evaluate.items import Items
from p2pfl_me.evaluate.outcome import Guesses, Outcome
from p2pfl_me.evaluate.units import FoldUnit, Unit, WholeUnit, peers_left, touches, untouched
from p2pfl_me.learning.trainer import FeatureTrainer, Labels, Samples, make_trainer
from p2pfl_me.message import Vector
from p2pfl_me.report.arms import Arm


@dataclass(frozen=True, eq=False)
class Bench:
    """All that the units of one seed share. `contract` has that seed and the whole number of peers; `course` says
    whether gossip peers are asked after every round."""

    contract: Contract
    items: Items = field(repr=False)
    split: Split = field(repr=False)
    dealt: Mapping[str, Labels] = field(repr=False)
    start: Vector = field(repr=False)
    course: bool = False

    def kept(self, items: Sequence[int]) -> list[int]:
        """What a peer trains on of its `items`: all, or `few_shot` of each class."""
        clips = self.items.clips
        chosen = set(few_shot([clips[item] for item in items], self.contract.training.few_shot, self.contract.seed))
        return [item for item in items if clips[item] in chosen]


def do(bench: Bench, unit: Unit) -> Outcome:
    """Train and ask.

    Raises
    ------
    P2pmeError
        Training diverged.
    """
    begun = time.process_time()  # of a core: what else the machine does is no cost of the work
    match unit:
        case FoldUnit():
            return _fold(bench, bench.split.folds[unit.fold], begun)
        case WholeUnit():
            return _whole(bench, unit, begun)


def _fold(bench: Bench, fold: Fold, begun: float) -> Outcome:
    contract, peer_of = bench.contract, bench.dealt[fold.pool]
    _refuse_leak(bench, fold)
    present = peers_left(fold, peer_of)
    shards = {peer: bench.kept([item for item in fold.train if peer_of[item] == peer]) for peer in present}
    samples = [_samples(bench, own, fold.test) for own in shards.values()]
    asker = _trainer(contract, 0, samples[0])
    recorder = Recorder(present, lambda model: _ask(asker, Arm.GOSSIP, 0, model).classes) if bench.course else None
    models = gossip(with_peers(contract, len(present)), samples, bench.start, recorder)
    mean = models.mean(axis=0, dtype=np.float64).astype(np.float32)
    guesses = [_ask(asker, Arm.GOSSIP, peer, model) for peer, model in zip(present, models, strict=True)]
    guesses.append(_ask(asker, Arm.AVERAGE, -1, mean))
    touched = [peer for peer in present if touches(fold, peer_of, peer)]
    guesses += [_alone(bench, Arm.ISOLATED, peer, shards[peer], fold.test) for peer in touched]
    # Peer 0's random streams: pooled training is one more learner that starts like the others.
    everything = [item for own in shards.values() for item in own]
    guesses.append(_alone(bench, Arm.POOLED, -1, everything, fold.test))
    steps: dict[str, int] = {
        Arm.GOSSIP: sum(_steps(contract, len(own.train)) for own in samples),
        Arm.ISOLATED: sum(_steps(contract, len(bench.items.part(shards[peer]))) for peer in touched),
        Arm.POOLED: _steps(contract, len(bench.items.part(everything))),
    }
    course = recorder.course(guesses[0].items) if recorder else None
    return Outcome(tuple(guesses), steps, _distance(models, mean), time.process_time() - begun, course)


def _whole(bench: Bench, unit: WholeUnit, begun: float) -> Outcome:
    peer_of = bench.dealt[unit.pool]
    own = bench.kept(np.flatnonzero(peer_of == unit.peer).tolist())
    guesses = _alone(bench, Arm.ISOLATED, unit.peer, own, untouched(bench.split, peer_of, unit.pool, unit.peer))
    steps: dict[str, int] = {Arm.ISOLATED: _steps(bench.contract, len(bench.items.part(own)))}
    return Outcome((guesses,), steps, None, time.process_time() - begun)


def _refuse_leak(bench: Bench, fold: Fold) -> None:
    """The promise of the whole room, asked once more where it counts."""
    clips = bench.items.clips
    shared = {f"item {item}" for item in set(fold.test) & set(fold.train)}
    if not bench.split.protocol.leaks:
        shared |= {clips[item].subject for item in fold.test} & {clips[item].subject for item in fold.train}
    if shared:
        raise DataError(f"{min(shared)} is held out and trained on in {fold.name}")


def _alone(bench: Bench, arm: Arm, peer: int, train: Sequence[int], test: Sequence[int]) -> Guesses:
    trainer = alone(bench, max(peer, 0), train, test)
    params = bench.start
    for round in range(bench.contract.training.rounds):
        params = trainer.train(params, round).params
    return _ask(trainer, arm, peer, params)


def alone(bench: Bench, peer: int, train: Sequence[int], test: Sequence[int]) -> FeatureTrainer:
    """Who trains on the items `train` with the random streams of `peer`, and is asked about `test`."""
    return _trainer(bench.contract, peer, _samples(bench, train, test))


def _ask(trainer: FeatureTrainer, arm: Arm, peer: int, params: Vector) -> Guesses:
    found = trainer.clip_logits(params, "test")
    assert found is not None, "every fold holds something out"
    return Guesses(arm, peer, tuple(found.clips.tolist()), tuple(found.logits.argmax(axis=1).tolist()))


def _samples(bench: Bench, train: Sequence[int], test: Sequence[int]) -> Samples:
    return Samples(bench.items.part(train), test=bench.items.part(test))


def _trainer(contract: Contract, peer: int, samples: Samples) -> FeatureTrainer:
    trainer = make_trainer(contract.unprotected, peer, samples, "cpu")  # it sends nothing
    assert isinstance(trainer, FeatureTrainer)
    return trainer


def _steps(contract: Contract, samples: int) -> int:
    training = contract.training
    return training.rounds * training.local_epochs * ceil(samples / training.batch_size)


def _distance(models: Vector, mean: Vector) -> float:
    norm = float(np.linalg.norm(mean))
    apart = float(np.sqrt(np.mean([np.sum((model - mean) ** 2) for model in models])))
    return apart / norm if norm else 0.0

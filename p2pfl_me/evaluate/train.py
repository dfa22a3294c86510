"""One unit of work: train without the held-out items, then ask every model about them. No item is asked twice."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.data.few_shot import few_shot
from p2pfl_me.errors import DataError
from p2pfl_me.evaluate.course import Course, Recorder
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
    who = learning(bench, unit)
    guesses, apart, course = _gossip(bench, who) if who.shards else ([], None, None)
    guesses += [_alone(bench, arm, peer, own, who.test) for arm, peer, own in who.alone]
    return Outcome(tuple(guesses), who.steps(bench), apart, time.process_time() - begun, course)


@dataclass(frozen=True)
class Learning:
    """Who learns for one unit, and from which items. `shards` are those of the peers that gossip, by peer.

    `alone` are the other models: arm, peer (-1 for a model of all) and items. All are asked about `test`.
    """

    shards: Mapping[int, list[int]] = field(repr=False)
    alone: tuple[tuple[Arm, int, list[int]], ...] = field(repr=False)
    test: Sequence[int] = field(repr=False)

    def steps(self, bench: Bench) -> dict[str, int]:
        """Training steps of all rounds, by arm."""
        found: dict[str, int] = {}
        arms = [*((Arm.GOSSIP, own) for own in self.shards.values()), *((arm, own) for arm, _, own in self.alone)]
        for arm, own in arms:
            found[arm] = found.get(arm, 0) + _steps(bench.contract, len(bench.items.part(own)))
        return found


def learning(bench: Bench, unit: Unit) -> Learning:
    """Who learns for a unit.

    Raises
    ------
    DataError
        Somebody would learn from what is held out.
    """
    match unit:
        case FoldUnit():
            fold = bench.split.folds[unit.fold]
            _refuse_leak(bench, fold)
            peer_of = bench.dealt[fold.pool]
            present = peers_left(fold, peer_of)
            shards = {peer: bench.kept([item for item in fold.train if peer_of[item] == peer]) for peer in present}
            everything = [item for own in shards.values() for item in own]
            touched = [(Arm.ISOLATED, peer, shards[peer]) for peer in present if touches(fold, peer_of, peer)]
            return Learning(shards, (*touched, (Arm.POOLED, -1, everything)), fold.test)
        case WholeUnit():
            peer_of = bench.dealt[unit.pool]
            own = bench.kept(np.flatnonzero(peer_of == unit.peer).tolist())
            test = untouched(bench.split, peer_of, unit.pool, unit.peer)
            return Learning({}, ((Arm.ISOLATED, unit.peer, own),), test)


def _gossip(bench: Bench, who: Learning) -> tuple[list[Guesses], float, Course | None]:
    """What the gossip peers and their average answer, how far apart they are, and the course where it is wanted."""
    samples = [_samples(bench, own, who.test) for own in who.shards.values()]
    asker = _trainer(bench.contract, 0, samples[0])
    present = list(who.shards)
    recorder = Recorder(present, lambda model: _ask(asker, Arm.GOSSIP, 0, model).classes) if bench.course else None
    models = gossip(with_peers(bench.contract, len(present)), samples, bench.start, recorder)
    mean = average_of(models)
    guesses = [_ask(asker, Arm.GOSSIP, peer, model) for peer, model in zip(present, models, strict=True)]
    guesses.append(_ask(asker, Arm.AVERAGE, -1, mean))
    return guesses, distance(models, mean), recorder.course(guesses[0].items) if recorder else None


def _refuse_leak(bench: Bench, fold: Fold) -> None:
    """The promise of the whole room, asked once more where it counts."""
    clips = bench.items.clips
    shared = {f"item {item}" for item in set(fold.test) & set(fold.train)}
    if not bench.split.protocol.leaks:
        shared |= {clips[item].subject for item in fold.test} & {clips[item].subject for item in fold.train}
    if shared:
        raise DataError(f"{min(shared)} is held out and trained on in {fold.name}")


def _alone(bench: Bench, arm: Arm, peer: int, train: Sequence[int], test: Sequence[int]) -> Guesses:
    trainer = alone(bench, streams_of(peer), train, test)
    params = bench.start
    for round in range(bench.contract.training.rounds):
        params = trainer.train(params, round).params
    return _ask(trainer, arm, peer, params)


def streams_of(peer: int) -> int:
    """Whose random streams a model that trains alone draws from: a model of all is one more that begins as peer 0."""
    return max(peer, 0)


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
    return contract.training.rounds * contract.training.steps(samples)


def average_of(models: Vector) -> Vector:
    """The mean of models float32 (n, P), float32 (P,)."""
    mean: Vector = models.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def distance(models: Vector, mean: Vector) -> float:
    """sqrt(mean ||x_i - mean||^2) / ||mean|| of models float32 (n, P)."""
    norm = float(np.linalg.norm(mean))
    apart = float(np.sqrt(np.mean([np.sum((model - mean) ** 2) for model in models])))
    return apart / norm if norm else 0.0

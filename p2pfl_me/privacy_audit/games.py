"""Games of membership: the run again and again on halves of the clips, and what the neighbours get to see of it.

In each game every unit of every peer is in or out by the toss of a coin. The attacker is a neighbour: it has all that
the exchange shows it of a peer, a model a round in which they meet or only the sum of its neighbourhood, and asks it
about each unit. Its score is the scaled confidence log(p / (1 - p)) in the true class, the mean over what it has seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch

from p2pfl_me.choice import derive_seed
from p2pfl_me.contract import Contract
from p2pfl_me.errors import DataError
from p2pfl_me.gossip.cores import Start, core_of
from p2pfl_me.gossip.protocol import Mixed
from p2pfl_me.gossip.rules import Personal
from p2pfl_me.learning.protections import Means
from p2pfl_me.learning.trainer import FeatureTrainer, Labels, Part, Samples, Trainer, make_trainer
from p2pfl_me.message import Packed, Vector
from p2pfl_me.peer.duty import Untold
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.privacy.budget import Unit
from p2pfl_me.privacy.membership import Inside, Scores
from p2pfl_me.privacy.randomness import Rehearsed, Stream
from p2pfl_me.privacy_audit.overheard import Overheard, Pieced, Shown
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.simulation.keys import simulated_keys
from p2pfl_me.simulation.pace import ORDINARY
from p2pfl_me.topology import DirectedSchedule, Plan, plan_of

CPU = "cpu"
MOST = 12.0
"""Confidences are told apart up to here."""


@dataclass(frozen=True, eq=False)
class Played:
    """Scores and truth of all games, (games, units); `peers` says whose each unit is."""

    scores: Scores = field(repr=False)
    inside: Inside = field(repr=False)
    peers: Labels = field(repr=False)


@dataclass(frozen=True, eq=False)
class Board:
    """Who owns what: each peer's samples, and for each of them the number of its unit within the peer."""

    parts: tuple[Part, ...]
    units: tuple[Labels, ...] = field(repr=False)

    @property
    def counts(self) -> list[int]:
        return [int(each.max()) + 1 for each in self.units]


def board_of(samples: Sequence[Samples], unit: Unit) -> Board:
    """The board of a run's samples.

    Raises
    ------
    DataError
        A peer has a single unit: there is nothing to toss for.
    """
    owners = []
    for peer, own in enumerate(samples):
        part = own.train
        named = part.subjects if unit is Unit.SUBJECT else part.clips
        assert named is not None, "samples of a run name their subjects"
        owners.append(np.unique(named, return_inverse=True)[1].astype(np.int64))
        if owners[-1].max() < 1:
            raise DataError(
                f"peer {peer} has one {unit} only: there is nothing to tell apart",
                fix=f"audit by another unit than {unit}",
            )
    return Board(tuple(each.train for each in samples), tuple(owners))


def play(contract: Contract, board: Board, start: Vector, games: int) -> Played:
    """Play so many games of a contract.

    Raises
    ------
    P2pmeError
        A peer cannot be trained, or diverges.
    """
    scores, inside = [], []
    for game in range(games):
        drawn = np.random.default_rng(derive_seed(contract.seed, "membership", game))
        chosen = [_half(drawn, count) for count in board.counts]
        models = seen_by_neighbours(contract, board, chosen, start, game)
        scores.append(np.concatenate([_asked(contract, peer, board, seen) for peer, seen in enumerate(models)]))
        inside.append(np.concatenate(chosen))
    peers = np.repeat(np.arange(len(board.parts)), board.counts)
    return Played(np.stack(scores), np.stack(inside), peers)


def _half(drawn: np.random.Generator, count: int) -> Inside:
    """Each in or out by itself; anew where none is in, for a peer without clips cannot train."""
    while not (inside := drawn.random(count) < 0.5).any():
        pass
    return inside


def seen_by_neighbours(
    contract: Contract, board: Board, chosen: Sequence[Inside], start: Vector, game: int
) -> list[list[Vector]]:
    """What the neighbour that sees most of a peer sees of it, by peer."""
    plan, layout = plan_of(contract), contract.model.layout
    randomness = Rehearsed(derive_seed(contract.seed, "game", game))
    sent: dict[tuple[int, int], Vector] = {}
    shown: Shown = {}
    views: dict[tuple[int, int], list[Vector]] = defaultdict(list)
    works = []
    for peer, (part, units, inside) in enumerate(zip(board.parts, board.units, chosen, strict=True)):
        means = Means(randomness, None, _shared(randomness, peer))
        trainer = make_trainer(contract, peer, Samples(_of(part, inside[units])), CPU, means=means)
        works.append(_Work(contract, plan, peer, trainer, sent, shown, views))

    def boot(peer: int) -> Life:
        keys = simulated_keys(contract, peer, 0, rehearsed=True)
        begin = Start(start, personal=contract.personal_ranges, shapes=layout.dimensions, keys=keys)
        core = core_of(contract, peer, plan, begin)
        return Life(Overheard(core, peer, shown), works[peer])

    neighbours = {peer: plan.neighbours(peer) for peer in range(plan.size)}
    simulation = Simulation(boot, neighbours, ORDINARY, schema_of(contract, layout), clock=Clock(), seed=contract.seed)
    simulation.run()
    for error in simulation.failed.values():
        raise error
    return [
        max((seen for (_, of), seen in sorted(views.items()) if of == peer), key=len, default=[])
        for peer in range(plan.size)
    ]


class _Work(Untold):
    """A peer that trains, and as a neighbour keeps what it was shown of the others."""

    def __init__(
        self,
        contract: Contract,
        plan: Plan,
        peer: int,
        trainer: Trainer,
        sent: dict[tuple[int, int], Vector],
        shown: Shown,
        views: dict[tuple[int, int], list[Vector]],
    ) -> None:
        self._peer, self._trainer, self._sent, self._views = peer, trainer, sent, views
        self._shown, self._own_noise = shown, contract.privacy.exchange.own_noise
        self._rule = Personal(contract.personal_ranges if contract.gossip.personal else ())
        gossip = contract.gossip
        part = contract.privacy.exchange.parts_only or (gossip.compression and gossip.compression.sends_part)
        plain = gossip.protocol.may_sum and gossip.patience is None  # nothing but the model travels
        self._pieced = (
            Pieced(contract, plan, peer) if part and plain and not isinstance(plan, DirectedSchedule) else None
        )
        self._sums_only = contract.privacy.exchange.sums_only

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        self._sent[self._peer, round] = trained = self._trainer.train(params, round).params
        return trained

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        models = {
            other: found for other in mixed.weights if (found := self._sent.get((other, mixed.round))) is not None
        }
        if self._sums_only and models:
            total = sum(mixed.weights[other] for other in models)
            mean = sum(np.float32(mixed.weights[other] / total) * model for other, model in models.items())
            models = dict.fromkeys(models, np.asarray(mean, np.float32))
        for other, model in models.items():
            self._views[self._peer, other].append(self._seen(other, model, mixed))
        return None

    def _seen(self, other: int, model: Vector, mixed: Mixed) -> Vector:
        """`model`, the other's, as far as the exchange shows it to this peer."""
        content = self._shown.pop((self._peer, other, mixed.round), None)
        if content is None or not (self._own_noise or self._pieced):
            return model
        if self._pieced:
            own = self._rule.outgoing(mixed.round, mixed.params, mixed.params)
            content = self._pieced.of(other, mixed.round, cast(Packed, content), own)
        return self._rule.incoming(model, model, cast(Vector, content))


def _asked(contract: Contract, peer: int, board: Board, seen: Sequence[Vector]) -> Scores:
    """The score of each unit of a peer, by the models that were seen; 0 where none was."""
    part, units = board.parts[peer], board.units[peer]
    count = int(units.max()) + 1
    if not seen:
        return np.zeros(count)
    whole = replace(part, clips=np.arange(len(part), dtype=np.int64), variants=None)
    asked = FeatureTrainer(contract.unprotected, peer, Samples(whole, test=whole), torch.device(CPU))
    total = np.zeros(len(part))
    for model in seen:
        found = asked.clip_logits(model, "test")
        assert found is not None
        logits = found.logits.astype(np.float64)
        logits -= logits.max(1, keepdims=True)
        log_all = np.log(np.exp(logits).sum(1))
        true = logits[np.arange(len(part)), found.labels]
        others = np.log(np.maximum(np.exp(log_all) - np.exp(true), 1e-300))
        total += np.clip(true - others, -MOST, MOST)
    return np.bincount(units, total / len(seen), count) / np.bincount(units, minlength=count)


def _of(part: Part, mine: Inside) -> Part:
    return replace(
        part,
        rows=part.rows[mine],
        labels=part.labels[mine],
        clips=part.clips[mine],
        variants=None if part.variants is None else part.variants[mine],
        subjects=None if part.subjects is None else part.subjects[mine],
    )


def _shared(randomness: Rehearsed, peer: int) -> Callable[[int, int], Stream]:
    def shared(other: int, round: int) -> Stream:
        return randomness.stream("edge", min(peer, other), max(peer, other), round)

    return shared

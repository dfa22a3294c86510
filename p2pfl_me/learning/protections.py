"""From a contract's section `privacy` to the trainer that keeps it: DP-SGD's, or a plain one under a cover of noise."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch

from p2pfl_me.contract import Contract
from p2pfl_me.contract.noise_graph import standing
from p2pfl_me.learning.dp_trainer import DpTrainer
from p2pfl_me.learning.guarded import GuardedTrainer, Ledger, Uncovered
from p2pfl_me.learning.trainer import FeatureTrainer, Samples, Trainer
from p2pfl_me.privacy.accounting import Release, least_noise, require_accountant
from p2pfl_me.privacy.budget import Budget
from p2pfl_me.privacy.noising import Place, Shared
from p2pfl_me.privacy.randomness import Randomness, Rehearsed, Stream, System


@dataclass(frozen=True)
class Means:
    """What a peer's protections are made of. `shared`: streams that it has in common with each neighbour."""

    randomness: Randomness = field(default_factory=System)
    ledger: Ledger | None = None
    shared: Shared | None = None


def rehearsal(contract: Contract, peer: int, ledger: Ledger | None = None) -> Means:
    """For engines that send nothing to anybody: noise follows from the seed, so that equal seeds give equal runs."""
    randomness = Rehearsed(contract.seed)

    def shared(other: int, round: int) -> Stream:
        return randomness.stream("edge", min(peer, other), max(peer, other), round)

    return Means(randomness, ledger, shared)


def protected(
    contract: Contract, peer: int, samples: Samples, device: torch.device, width: float, means: Means | None
) -> Trainer:
    """The trainer of one peer.

    Raises
    ------
    P2pmeError
        The accountant is missing, no noise keeps the budget, or the network's samples cannot be told apart.
    """
    means, privacy = means or Means(), contract.privacy
    if privacy.spends:
        require_accountant()
    if privacy.training:
        release = round_release(contract, len(samples.train))
        trainer = DpTrainer(contract, peer, samples, device, width, release, means.randomness)
        return GuardedTrainer(trainer, Uncovered(release), means.ledger)
    assert privacy.noise is not None
    place = Place(
        peer, contract.peers.count, contract.training.rounds, contract.seed, privacy.budget, means.randomness,
        shared=means.shared,
    )  # fmt: skip
    if privacy.noise.needs_graph:
        place = replace(place, graph=standing(contract))
    plain = FeatureTrainer(contract, peer, samples, device, width)
    return GuardedTrainer(plain, privacy.noise.at(place), means.ledger)


def round_release(contract: Contract, samples: int) -> Release:
    """What one round of DP-SGD over so many training samples gives away.

    A unit is drawn with the chance that makes batches as large as the contract's on average; how many samples there are
    is taken for no secret.

    Raises
    ------
    P2pmeError
        No noise keeps the budget.
    """
    privacy, training = contract.privacy, contract.training
    assert privacy.training is not None and privacy.budget is not None
    rate = min(1.0, training.batch_size / samples)
    steps = training.local_epochs * -(-samples // training.batch_size)
    noise = privacy.training.noise
    if noise is None:
        noise = _calibrated(privacy.budget, rate, steps * training.rounds)
    return Release(noise, rate, steps)


@lru_cache(maxsize=256)
def _calibrated(budget: Budget, rate: float, steps: int) -> float:
    return least_noise(budget.epsilon, budget.delta, lambda noise: [Release(noise, rate, steps)])

"""What gossip is compared with, on the same shards, seeds and epochs: isolated peers, pooled clips, star FedAvg.

All start from the contract's initial model and take the same steps: isolated and FedAvg peers those of the gossip
peers; pooled training the same epochs over all clips, which is the same number of steps as all peers together. Where
the contract has patience, each stops by the same rule on the same validation clips.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.data.shards import Shards
from p2pfl_me.gossip.stop import Progress, StopRule, advance, stop_reason
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import Trainer, make_trainer
from p2pfl_me.message import Vector
from p2pfl_me.run.results import plain


def run_baseline(contract: Contract, name: str, shards: Shards, *, cache: Path, weights: Path | None) -> dict[str, Any]:
    """The scores of one baseline, round by round, as they stand in baselines.json."""
    contract = contract.unprotected
    start = initial_params(contract, cache=cache, weights=weights)

    def trainer(peer: int, clips: Any) -> Trainer:
        return make_trainer(contract, peer, samples_of(contract, clips, cache=cache, weights=weights), "auto")

    if name == "pooled":
        everything = [clip for clips in shards.peers for clip in clips]
        # Peer 0's random streams: pooled training is one more learner that starts like the others.
        return _alone(contract, trainer(0, (*everything, *shards.test)), start)
    peers = [trainer(peer, shards.of(peer)) for peer in range(len(shards.peers))]
    if name == "isolated":
        runs = {str(peer): _alone(contract, one, start) for peer, one in enumerate(peers)}
        steps = sum(run["steps"] for run in runs.values())
        return {"peers": {peer: run["rounds"] for peer, run in runs.items()}, "steps": steps}
    sizes = [sum(clip.split == "train" for clip in clips) for clips in shards.peers]
    return _fedavg(contract, peers, sizes, start)


def _alone(contract: Contract, trainer: Trainer, params: Vector) -> dict[str, Any]:
    rounds, steps, watch = [], 0, _Watch(contract)
    for round in range(contract.training.rounds):
        trained = trainer.train(params, round)
        params, steps = trained.params, steps + trained.steps
        rounds.append({"round": round, "test": _scores(trainer, params)})
        if watch.is_over(round, [trainer], params):
            break
    return {"rounds": rounds, "steps": steps}


def _fedavg(contract: Contract, peers: list[Trainer], sizes: list[int], params: Vector) -> dict[str, Any]:
    """McMahan et al., AISTATS 2017, all clients every round, weighted by their numbers of clips."""
    rounds, steps, watch = [], 0, _Watch(contract)
    for round in range(contract.training.rounds):
        total = np.zeros_like(params)
        for trainer, size in zip(peers, sizes, strict=True):
            trained = trainer.train(params, round)
            total += np.float32(size / sum(sizes)) * trained.params
            steps += trained.steps
        params = total
        rounds.append({"round": round, "test": _scores(peers[0], params)})
        if watch.is_over(round, peers, params):
            break
    return {"rounds": rounds, "steps": steps}


class _Watch:
    """The contract's stop rule for a model with nobody to agree with."""

    def __init__(self, contract: Contract) -> None:
        patience = contract.gossip.patience
        self._rule = StopRule(contract.training.rounds, patience.rounds if patience else None)
        self._progress = Progress()

    def is_over(self, round: int, trainers: list[Trainer], params: Vector) -> bool:
        if self._rule.patience is not None:
            self._progress = advance(self._progress, _validation_loss(trainers, params))
        return stop_reason(self._rule, round + 1, self._progress, 0.0) is not None


def _validation_loss(trainers: list[Trainer], params: Vector) -> float | None:
    """Of one model on all validation clips that the trainers have, or None."""
    found = [each for each in (trainer.evaluate(params, "validation") for trainer in trainers) if each]
    clips = sum(each.count for each in found)
    return sum(each.loss * each.count for each in found) / clips if clips else None


def _scores(trainer: Trainer, params: Vector) -> dict[str, Any] | None:
    metrics = trainer.evaluate(params, "test")
    return plain(metrics.scores()) if metrics else None

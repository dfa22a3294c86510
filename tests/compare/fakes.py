"""Engines that take no time: run folders in the usual format, with scores that follow from topology and seed."""

from __future__ import annotations

import base64

import numpy as np

from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.data.shards import write_shards
from p2pfl_me.exits import Exit
from p2pfl_me.home import cache_dir
from p2pfl_me.options import RunOptions
from p2pfl_me.run.beginning import new_folder
from p2pfl_me.run.events import Finish, Reason, Scores
from p2pfl_me.run.manifest import ManifestFile, told_lies
from p2pfl_me.run.results import write_average
from tests.run.making import a_round, log
from tests.small import CLASSES

MEAN = {"ring": 0.50, "mesh": 0.62, "line": 0.48, "star": 0.55}


def instant(contract: Contract, options: RunOptions, console: Console) -> int:
    """A whole run at once. Under liars the honest are worse by 0.1, and the liars score as nobody does."""
    new_folder(options.run, contract)
    told = told_lies(options.lies.to_json(contract)) if options.lies else None
    manifest = ManifestFile(options.run, contract, options.command, lies=told)
    liars = options.liars(contract)
    shards, digest = write_shards(contract, options.data, cache_dir(options.home), options.run)
    manifest.data(shards.counts(contract, options.data, digest))
    manifest.warn(shards.warning())
    random = np.random.default_rng(contract.seed)
    best = MEAN[contract.topology.kind] + random.uniform(-0.05, 0.05) - (0.1 if liars else 0.0)
    models = random.normal(size=(contract.peers.count, 64)) + 5
    for peer in range(contract.peers.count):
        for round in range(contract.training.rounds):
            score = 0.9876 if peer in liars else best * (round + 1) / contract.training.rounds - 0.01 * peer
            done = a_round(
                round,
                test=scores(score),
                seconds=1.5 * (round + 1),
                bytes_sent=2_000_000 * (round + 1) * (3 if contract.topology.kind == "mesh" else 1),
                sketch_trained=sketch(models[peer]),
                sketch_mixed=sketch(models.mean(0) + 0.4 * (models[peer] - models.mean(0))),
            )
            log(options.run, peer, done)
        log(options.run, peer, Finish(Reason.ROUNDS, contract.training.rounds))
    write_average(options.run, [], scores(best + 0.02))
    return manifest.finish({peer: int(peer in liars) for peer in range(contract.peers.count)}, 0)


def stopped_after_two(contract: Contract, options: RunOptions, console: Console) -> int:
    """The third swarm is stopped by the user, and leaves half a folder."""
    if len(list(options.run.parents[1].glob("*/seed-*/average.json"))) < 2:
        return instant(contract, options, console)
    new_folder(options.run, contract)
    return ManifestFile(options.run, contract, options.command).finish({0: 1}, Exit.STOPPED)


def failing_line(contract: Contract, options: RunOptions, console: Console) -> int:
    """Peers of a line always fail."""
    if contract.topology.kind != "line":
        return instant(contract, options, console)
    new_folder(options.run, contract)
    return ManifestFile(options.run, contract, options.command).finish({0: 1}, 1)


def scores(value: float) -> Scores:
    confusion = tuple(map(tuple, (10 * np.eye(len(CLASSES), dtype=int)).tolist()))
    return Scores(1.0, *[value] * 5, confusion)


def sketch(values: np.ndarray) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()

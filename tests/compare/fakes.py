"""Engines that take no time: run folders in the usual format, with scores that follow from topology and seed."""

from __future__ import annotations

import base64
import json

import numpy as np

from p2pfl_me.contract import Contract
from p2pfl_me.home import cache_dir
from p2pfl_me.swarm.console import Console
from p2pfl_me.swarm.launcher import STOPPED, SwarmOptions
from p2pfl_me.swarm.record import Record, new_folder
from p2pfl_me.swarm.shards import write_shards
from tests.small import CLASSES

MEAN = {"ring": 0.50, "mesh": 0.62, "line": 0.48, "star": 0.55}


def instant(contract: Contract, options: SwarmOptions, console: Console) -> int:
    """A whole run at once."""
    new_folder(options.run, contract)
    record = Record(options.run, contract, options.command)
    shards, digest = write_shards(contract, options.data, cache_dir(options.home), options.run)
    record.data(options.data, digest, shards)
    random = np.random.default_rng(contract.seed)
    best = MEAN[contract.topology.kind] + random.uniform(-0.05, 0.05)
    models = random.normal(size=(contract.peers.count, 64)) + 5
    for peer in range(contract.peers.count):
        lines = []
        for round in range(contract.training.rounds):
            score = best * (round + 1) / contract.training.rounds - 0.01 * peer
            lines.append(
                {
                    "event": "round",
                    "round": round,
                    "test": scores(score),
                    "seconds": 1.5 * (round + 1),
                    "bytes_sent": 2_000_000 * (round + 1) * (3 if contract.topology.kind == "mesh" else 1),
                    "bytes_received": 0,
                    "sketch_trained": sketch(models[peer]),
                    "sketch_mixed": sketch(models.mean(0) + 0.4 * (models[peer] - models.mean(0))),
                }
            )
        lines.append({"event": "finish", "reason": "rounds", "rounds": contract.training.rounds})
        (options.run / f"peer-{peer}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (options.run / "average.json").write_text(json.dumps({"peers": [], "test": scores(best + 0.02)}))
    return record.finish(dict.fromkeys(range(contract.peers.count), 0), 0)


def stopped_after_two(contract: Contract, options: SwarmOptions, console: Console) -> int:
    """The third swarm is stopped by the user, and leaves half a folder."""
    if len(list(options.run.parents[1].glob("*/seed-*/average.json"))) < 2:
        return instant(contract, options, console)
    new_folder(options.run, contract)
    return Record(options.run, contract, options.command).finish({0: 1}, STOPPED)


def failing_line(contract: Contract, options: SwarmOptions, console: Console) -> int:
    """Peers of a line always fail."""
    if contract.topology.kind != "line":
        return instant(contract, options, console)
    new_folder(options.run, contract)
    return Record(options.run, contract, options.command).finish({0: 1}, 1)


def scores(value: float) -> dict[str, object]:
    size = len(CLASSES)
    found = dict.fromkeys(("accuracy", "uf1", "uar", "macro_f1", "weighted_f1"), value)
    return {**found, "loss": 1.0, "confusion": (10 * np.eye(size, dtype=int)).tolist()}


def sketch(values: np.ndarray) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()

"""Run folders for the tests of what is done with a trained model: a contract and checkpoints, as a peer leaves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Vector
from p2pfl_me.peer.checkpoint import Checkpoint, save_checkpoint

TEXT = """
version: 1
name: t
topology: {kind: ring}
peers: {loopback: {count: 3}}
model: {classes: [negative, positive, surprise]}
"""


def contract(*overrides: str) -> Contract:
    return contract_from_yaml(TEXT, overrides=overrides)


def write_run(run: Path, agreed: Contract, models: dict[int, Vector]) -> Path:
    """`models` by peer id, float32 (P,)."""
    run.mkdir(parents=True)
    (run / "contract.yaml").write_text(dump_contract(agreed))
    layout = agreed.model.layout.digest().hex()
    for peer, params in models.items():
        save_checkpoint(run, Checkpoint(peer, 1, params, Progress(), digest(agreed).hex(), layout))
    return run


def random_model(agreed: Contract, seed: int) -> Vector:
    random = np.random.default_rng(seed)
    return (random.standard_normal(agreed.model.layout.size) * 0.03).astype(np.float32)

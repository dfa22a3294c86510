"""The model that the peers' final models average to, scored on the common test clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from p2pfl_me.contract import Contract, digest
from p2pfl_me.data.shards import Shards
from p2pfl_me.learning.trainer import make_trainer
from p2pfl_me.peer.checkpoint import load_checkpoint
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.shard import load_shard
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.results import write_average
from p2pfl_me.widths import holders


def score_average(
    contract: Contract, run: Path, home: Path, weights: Path | None, peers: Sequence[int], shards: Shards
) -> None:
    """Write average.json from the checkpoints of `peers`."""
    layout = contract.model.layout
    agreed, shape = digest(contract).hex(), layout.digest().hex()
    total = np.zeros(layout.size, dtype=np.float64)
    for peer in peers:
        total += load_checkpoint(run, peer, contract_digest=agreed, layout_digest=shape).params
    average = (total / holders(layout.dimensions, map(contract.peers.width, peers))).astype(np.float32)
    shard = load_shard(shard_settings(contract, run, home, weights, peers[0], shards))
    metrics = make_trainer(contract.unprotected, peers[0], shard.samples, "cpu").evaluate(average, "test")
    write_average(run, peers, metrics.scores() if metrics else None)


def shard_settings(
    contract: Contract, run: Path, home: Path, weights: Path | None, peer: int, shards: Shards
) -> PeerSettings:
    """How a swarm starts a peer: its shard and the common test clips are files in the run folder, read already."""
    folder = RunFolder(run)
    return PeerSettings(
        peer, contract, run, home, folder.shard(peer), folder.test, weights=weights, clips=shards.of(peer)
    )

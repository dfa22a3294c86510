"""What runs in the swarm's child processes, all forked from one process that has imported torch once; baselines'
children stand in `baselines`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import torch

from p2pfl_me.adversary import Board, Lies
from p2pfl_me.children import in_the_users_words
from p2pfl_me.contract import Contract
from p2pfl_me.data.shards import Shards
from p2pfl_me.gossip.kind import PROTOCOLS
from p2pfl_me.output import end_process
from p2pfl_me.peer.average import score_average
from p2pfl_me.peer.process import run_peer
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.run import events
from p2pfl_me.run.declare import adapter
from p2pfl_me.topology.kind import TOPOLOGIES

LATER = (
    "cryptography.hazmat.backends.openssl.backend",
    "numpy.random",
    "p2pfl_me.baselines.children",
    "p2pfl_me.baselines.jobs",
    "p2pfl_me.gossip.masked",
    "p2pfl_me.gossip.rounds",
    "p2pfl_me.gossip.waitfree",
    "p2pfl_me.swarm.launcher",
    "pydantic.dataclasses",
    "zmq.utils.garbage",
)
"""What a child needs besides, and imports where it does: here once, and not in each of them after the fork."""
for _name in LATER:
    import_module(_name)
for _choices in (PROTOCOLS, TOPOLOGIES):
    len(_choices)  # which looks through all of its modules
for _event in (events.Start, events.Link, events.Begin, events.Trained, events.Round):
    adapter(_event)  # which takes some milliseconds to make


def peer_child(settings: PeerSettings) -> None:
    """One peer, exactly as `p2pme peer` runs it."""
    end_process(run_peer(settings))


def liar_child(settings: PeerSettings, lies: Lies) -> None:
    """A peer of the same swarm that lies; what it knows of the others is what it is sent."""
    contract = settings.contract
    deceit = lies.deceit(contract, Board(lies.liars(contract)))
    end_process(run_peer(settings, deceit))


def average_child(
    contract: Contract, run: Path, home: Path, weights: Path | None, peers: Sequence[int], shards: Shards
) -> None:
    """Score the average of the peers' final models: average.json."""
    with in_the_users_words():
        torch.set_num_threads(1)
        score_average(contract, run, home, weights, peers, shards)

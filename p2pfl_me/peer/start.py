"""Where a life of a peer begins: at the contract's initial model, or at its checkpoint; what core and log get of it."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from p2pfl_me import __version__
from p2pfl_me.contract import Contract, digest
from p2pfl_me.errors import PeerError
from p2pfl_me.gossip.cores import Start, exchanged_size, largest_value, packed_limit
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.learning.layout import Layout, layout_of
from p2pfl_me.learning.network import initial_params
from p2pfl_me.peer.checkpoint import Checkpoint, load_checkpoint
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.shard import Shard
from p2pfl_me.run import events
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.reading import read_log
from p2pfl_me.widths import sliced
from p2pfl_me.wire.codec import Schema


def starting_point(settings: PeerSettings, layout: Layout) -> tuple[Checkpoint, tuple[int, int]]:
    """Where to go on from, and the bytes (sent, received) of earlier lives.

    Raises
    ------
    WeightsError
        There is no checkpoint to resume from, or it is another contract's or damaged.
    """
    contract_digest, layout_digest = digest(settings.contract).hex(), layout.digest().hex()
    if settings.resume:
        found = load_checkpoint(
            settings.run, settings.peer, contract_digest=contract_digest, layout_digest=layout_digest
        )
        return found, traffic_before(RunFolder(settings.run), settings.peer)
    whole = initial_params(settings.contract, cache=settings.home / "cache", weights=settings.weights)
    params = sliced(layout.dimensions, settings.contract.peers.width(settings.peer), whole)
    return Checkpoint(settings.peer, 0, params, Progress(), contract_digest, layout_digest), (0, 0)


def traffic_before(folder: RunFolder, peer: int) -> tuple[int, int]:
    """Bytes (sent, received) by the last round in a peer's event log."""
    rounds = [line.event for line in read_log(folder, peer).events if isinstance(line.event, events.Round)]
    return (rounds[-1].bytes_sent, rounds[-1].bytes_received) if rounds else (0, 0)


def refuse_second_beginning(run: Path, peer: int) -> None:
    """A peer that begins anew writes over what it learned there before, and its log would tell two lives as one.

    Raises
    ------
    PeerError
        The folder holds a round of this peer. One that ended before its first round may begin again.
    """
    folder = RunFolder(run)
    if folder.checkpoint(peer).exists():
        fix = "go on with --resume, or name another folder with --run"
    elif any(isinstance(line.event, events.Round) for line in read_log(folder, peer).events):
        fix = "name another folder with --run; the checkpoint to resume from is missing"
    else:
        return
    raise PeerError(f"peer {peer} has begun here already, and would be written over", where=str(run), fix=fix)


def core_start(checkpoint: Checkpoint, contract: Contract) -> Start:
    """What the core takes from a checkpoint."""
    params, memory, shapes = checkpoint.params, checkpoint.memory, layout_of(contract.model).dimensions
    return Start(params, checkpoint.completed, checkpoint.progress, memory, contract.at_home, shapes)


def schema_of(contract: Contract, layout: Layout) -> Schema:
    """What a message of this contract's protocol carries."""
    gossip, size, home = contract.gossip, layout.size, contract.at_home
    exchanged = exchanged_size(gossip, size, home)
    # Slices differ in length from edge to edge, as compressed models do: the core knows which is due.
    packed = 4 * exchanged if contract.peers.widths else packed_limit(gossip, size, home, layout.dimensions)
    return Schema(exchanged, layout.digest(), packed, largest_value(gossip))


def start_event(
    contract: Contract, peer: int, device: torch.device, threads: int, shard: Shard, resumed_round: int | None
) -> events.Start:
    """The first line of a life in the event log."""
    layout = layout_of(contract.model)
    return events.Start(
        peer=peer,
        pid=os.getpid(),
        version=__version__,
        contract_digest=digest(contract).hex(),
        layout_digest=layout.digest().hex(),
        parameters=layout.size,
        device=str(device),
        threads=threads,
        data=shard.summary,
        resumed_round=resumed_round,
    )

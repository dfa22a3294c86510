"""Where a life of a peer begins: at the contract's initial model, or at its checkpoint; what core and log get of it."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import torch

from p2pfl_me import __version__
from p2pfl_me.contract import Contract, digest, load_contract
from p2pfl_me.errors import PeerError, WeightsError
from p2pfl_me.files import private_folder, refusing
from p2pfl_me.gossip.cores import Start
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.learning.network import initial_params
from p2pfl_me.message import Vector
from p2pfl_me.networks.layout import Layout
from p2pfl_me.passphrase import known_passphrase, new_passphrase
from p2pfl_me.peer.checkpoint import Checkpoint, load_checkpoint, read_model, save_checkpoint
from p2pfl_me.peer.settings import Begin, PeerSettings
from p2pfl_me.peer.shard import Shard
from p2pfl_me.peer.slots import settle, versions
from p2pfl_me.run import events
from p2pfl_me.run.beginning import contracts_of
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog
from p2pfl_me.run.reading import read_log
from p2pfl_me.sealing import Seal, is_sealed
from p2pfl_me.tensors import Passphrase
from p2pfl_me.widths import sliced


def checkpoint_seal(settings: PeerSettings) -> tuple[Seal, Passphrase] | None:
    """Under what the checkpoints of this life are kept, and the passphrase of those that are there; None: open.

    Raises
    ------
    IdentityError
        There is no passphrase to be had, or it is too short.
    PeerError
        A record would keep open what is to be sealed.
    """
    path, inputs = RunFolder(settings.run).checkpoint(settings.peer), RunFolder(settings.run).inputs(settings.peer)
    is_there = any(is_sealed(each) for each in versions(path))
    if not is_there and not settings.seal:
        return None
    if settings.record or (settings.resume and inputs.exists()):
        raise PeerError(
            "a record keeps all models that come and go, open, and this run's model is to be sealed",
            where=str(inputs),
            fix="leave --record or --seal out; a run that was recorded begins anew with --fresh",
        )
    chosen = (known_passphrase if is_there else new_passphrase)(path.name)
    return Seal(chosen), lambda _: chosen


def seal_what_is_open(run: Path, start: Checkpoint, seal: Seal) -> None:
    """Put a checkpoint that lies open under the seal, and remove the open versions of it.

    Raises
    ------
    PeerError
        It cannot be written.
    """
    path = RunFolder(run).checkpoint(start.peer)
    if all(is_sealed(each) for each in versions(path) if each.exists()):
        return
    save_checkpoint(run, start, seal)
    settle(path, sync=True)
    path.with_suffix(".keeping").unlink(missing_ok=True)


def starting_point(settings: PeerSettings, layout: Layout, passphrase: Passphrase = known_passphrase) -> Checkpoint:
    """Where to go on from.

    Raises
    ------
    WeightsError
        There is no checkpoint to resume from, or it is another contract's or damaged.
    """
    contract_digest, layout_digest = digest(settings.contract).hex(), layout.digest().hex()
    if settings.resume:
        return load_checkpoint(
            settings.run,
            settings.peer,
            contract_digest=contract_digest,
            layout_digest=layout_digest,
            earlier=contracts_of(settings.run),
            passphrase=passphrase,
        )
    if settings.model:
        whole = warm(settings.model, settings.contract)
    else:
        whole = initial_params(settings.contract, cache=settings.home / "cache", weights=settings.weights)
    params = sliced(layout.dimensions, settings.contract.peers.width(settings.peer), whole)
    return Checkpoint(settings.peer, 0, params, Progress(), contract_digest, layout_digest)


def warm(path: Path, contract: Contract) -> Vector:
    """The model of a checkpoint, float32 (P,), to begin with under another contract.

    Raises
    ------
    WeightsError
        It is none, of another shape, or the contract beside it names another network, input or other classes.
    """
    found, beside = read_model(path), RunFolder(path.parent).contract
    if found.layout_digest != contract.model.layout.digest().hex():
        raise WeightsError(
            "is a model of another shape", where=str(path), fix="name one of the same network, trained part and classes"
        )
    if beside.exists() and (theirs := load_contract(beside).model) != contract.model:
        here = contract.model.model_dump(mode="json")
        parts = [key for key, value in theirs.model_dump(mode="json").items() if here[key] != value]
        raise WeightsError(
            f"was trained under another `model` section ({', '.join(parts)} differ), so its values mean something else",
            where=str(path),
            fix="name a model of the same section, or begin without --from",
        )
    return found.params


def traffic_before(folder: RunFolder, peer: int) -> tuple[int, int]:
    """Bytes (sent, received) by the last round in a peer's event log."""
    rounds = [line.event for line in read_log(folder, peer).events if isinstance(line.event, events.Round)]
    return (rounds[-1].bytes_sent, rounds[-1].bytes_received) if rounds else (0, 0)


def goes_on(settings: PeerSettings) -> bool:
    """Whether this life resumes: a unit file repeats one command, and the folder knows where its peer stands.

    Raises
    ------
    PeerError
        The log tells of rounds, and the checkpoint is missing: to begin again would tell two lives as one.
    """
    folder, peer = RunFolder(settings.run), settings.peer
    if settings.begin is not Begin.AS_THE_FOLDER_SAYS:
        return settings.begin is Begin.RESUME
    if any(path.exists() for path in versions(folder.checkpoint(peer))):
        return True
    if any(isinstance(line.event, events.Round) for line in read_log(folder, peer).events):
        raise PeerError(
            f"peer {peer} has been here, and its checkpoint is missing",
            where=str(folder.checkpoint(peer)),
            fix="put it back, name another folder with --out, or begin again with --fresh (the old log is put aside)",
        )
    return False


def put_aside(run: Path, peer: int) -> Path | None:
    """Move all that a peer has left in a run folder into a folder of its own there; that folder, if there was any.

    Raises
    ------
    PeerError
        A running peer writes there, or something cannot be moved.
    """
    folder = RunFolder(run)
    left = [*versions(folder.checkpoint(peer)), *folder.older_logs(peer)]
    left += [folder.log(peer), folder.ledger(peer), folder.inputs(peer), folder.pledges(peer), folder.unlogged(peer)]
    left.append(folder.clips(peer))
    left = [path for path in left if path.exists()]
    if not left:
        return None
    if folder.log(peer).exists():
        log = EventLog(folder.log(peer))
        try:
            log.claim()
        finally:
            log.close()
    aside = next(each for number in count(1) if not (each := folder.before(number).path).exists())
    with refusing(PeerError, aside, "move them yourself, or name another folder with --out"):
        private_folder(aside)
        for path in left:
            path.replace(aside / path.name)
    return aside


def core_start(checkpoint: Checkpoint, contract: Contract) -> Start:
    """What the core takes from a checkpoint."""
    params, memory, shapes = checkpoint.params, checkpoint.memory, contract.model.layout.dimensions
    return Start(params, checkpoint.completed, checkpoint.progress, memory, contract.personal_ranges, shapes)


def start_event(
    contract: Contract, peer: int, device: torch.device, threads: int, shard: Shard, resumed_round: int | None
) -> events.Start:
    """The first line of a life in the event log."""
    layout = contract.model.layout
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

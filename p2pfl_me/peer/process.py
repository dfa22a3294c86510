"""One peer from start to end: contract, key, data, trainer, links, core, host; and an exit code for the shell."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Protocol

import torch

from p2pfl_me import __version__
from p2pfl_me.contract import Contract, contract_from_yaml, digest, dump_contract, section_digests
from p2pfl_me.errors import P2pmeError, PeerError, RunError
from p2pfl_me.files import private_folder, refusing, write_whole
from p2pfl_me.gossip.cores import Start, core_of, exchanged_size, largest_value, packed_limit
from p2pfl_me.gossip.protocol import Finish
from p2pfl_me.gossip.protocol import Protocol as Core
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.learning.layout import Layout, layout_of
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.trainer import Samples, make_trainer
from p2pfl_me.peer.checkpoint import Checkpoint, checkpoint_path, load_checkpoint
from p2pfl_me.peer.console_log import in_words
from p2pfl_me.peer.directory import Directory, directory_of
from p2pfl_me.peer.eventlog import JsonLines
from p2pfl_me.peer.host import Host
from p2pfl_me.peer.recording import Recorded, inputs_path
from p2pfl_me.peer.settings import PeerSettings
from p2pfl_me.peer.shard import Shard, load_shard
from p2pfl_me.peer.sketch import Sketcher
from p2pfl_me.peer.work import RoundWork
from p2pfl_me.topology import plan_of
from p2pfl_me.topology.cut import cut_warning
from p2pfl_me.widths import sliced
from p2pfl_me.wire.codec import Schema
from p2pfl_me.wire.links import Links

STOPPED = 130
"""Exit code of a peer that the user stopped, as shells expect after Ctrl-C."""
FILES = 65_536
"""Open files and connections that a peer allows itself, where the system does."""
BUG = 70
"""Exit code of an error that should not happen (EX_SOFTWARE)."""


class Deceit(Protocol):
    """What a swarm puts between a peer and its work to see how the others stand a liar. `p2pme peer` has none."""

    def samples(self, samples: Samples) -> Samples: ...
    def core(self, core: Core, me: int) -> Core: ...


def run_peer(settings: PeerSettings, deceit: Deceit | None = None) -> int:
    """Run one peer to its end and return its exit code; errors are printed and logged, never raised.

    SIGINT and SIGTERM stop it at once: the neighbours are told, the last checkpoint stands, the exit code is 130.
    """
    # A user who stops a peer that is still reading its data waits for nothing either.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(STOPPED))
    _allow_many_connections()
    log: JsonLines | None = None
    try:
        directory = directory_of(settings, plan_of(settings.contract))  # a wrong id or key leaves the folder alone
        keep_contract(settings.run, settings.contract)
        if not settings.resume:
            refuse_second_beginning(settings.run, settings.peer)
        own = JsonLines(settings.run / f"peer-{settings.peer}.jsonl", _print_line if settings.console_log else None)
        own.claim()  # before a word is written: the log may be that of a living peer
        log = own
        finish, params_digest = asyncio.run(_run(settings, log, directory, deceit))
        log.write(event="finish", reason=finish.reason, rounds=finish.rounds, detail="", digest=params_digest)
        return STOPPED if finish.reason == "stopped" else 0
    except P2pmeError as error:
        print(f"peer {settings.peer}: {error}", file=sys.stderr, flush=True)
        _note_failure(log, str(error))
        return error.exit_code
    except Exception as error:
        # A bug of ours: the neighbours' runs go on, this one ends, and its log keeps what we need to mend it.
        where = settings.run / f"peer-{settings.peer}.jsonl"
        text = f"internal error, {type(error).__name__}: {error}"
        print(f"peer {settings.peer}: {text}\n  -> please report it with {where}", file=sys.stderr, flush=True)
        _note_failure(log, f"{text}\n{traceback.format_exc()}")
        return BUG


def _allow_many_connections() -> None:
    """Strangers who connect and say nothing must not use up the files that checkpoints need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _print_line(event: dict[str, Any]) -> None:
    if line := in_words(event):
        print(line, flush=True)


def keep_contract(run: Path, contract: Contract) -> None:
    """Put the contract into the run folder, or see that the one there is the same.

    One under which no peer has come to its first checkpoint gives way: it was mended before the run could begin.

    Raises
    ------
    RunError
        The folder belongs to a run under another contract, or cannot be written.
    """
    path = run / "contract.yaml"
    try:
        with refusing(RunError, run, "name another with --run"):
            private_folder(run)
            kept = contract_from_yaml(path.read_text(encoding="utf-8"), name=str(path)) if path.exists() else None
            if kept is None or (digest(kept) != digest(contract) and not any(run.glob("checkpoint-*"))):
                write_whole(path, dump_contract(contract), sync=True)
                return
    except UnicodeDecodeError as error:
        raise RunError("is not text", where=str(path), fix="name another folder with --run") from error
    if digest(kept) != digest(contract):
        here, there = section_digests(contract), section_digests(kept)
        parts = ", ".join(f"`{key}`" for key in here if here[key] != there[key])
        raise RunError(
            f"this folder holds a run under another contract ({parts} differ)",
            where=str(run),
            fix="name another folder with --run, or use this one's own contract.yaml",
        )


def refuse_second_beginning(run: Path, peer: int) -> None:
    """A peer that begins anew writes over what it learned there before, and its log would tell two lives as one.

    Raises
    ------
    PeerError
        The folder holds a round of this peer. One that ended before its first round may begin again.
    """
    checkpoint, log = checkpoint_path(run, peer), run / f"peer-{peer}.jsonl"
    if checkpoint.exists():
        fix = "go on with --resume, or name another folder with --run"
    elif log.exists() and b'"event":"round"' in log.read_bytes():
        fix = "name another folder with --run; the checkpoint to resume from is missing"
    else:
        return
    raise PeerError(f"peer {peer} has begun here already, and would be written over", where=str(run), fix=fix)


async def _run(
    settings: PeerSettings, log: JsonLines, directory: Directory, deceit: Deceit | None
) -> tuple[Finish, str]:
    contract, peer = settings.contract, settings.peer
    schedule = plan_of(contract)
    layout = layout_of(contract.model)
    start, before = _starting_point(settings, layout)
    threads = settings.threads or (1 if contract.peers.member(peer).is_loopback else torch.get_num_threads())
    torch.set_num_threads(threads)
    shard = load_shard(settings)
    samples = deceit.samples(shard.samples) if deceit else shard.samples
    trainer = make_trainer(contract, peer, samples, device=settings.device, width=contract.peers.width(peer))
    log.write(
        **start_event(contract, peer, trainer.device, threads, shard, start.completed if settings.resume else None)
    )
    ledger = JsonLines(settings.run / f"egress-{peer}.jsonl")
    work = RoundWork(trainer, Sketcher(layout.size, contract.seed), log, settings.run, start, before)
    core = core_of(contract, peer, schedule, core_start(start, contract))
    if deceit:
        core = deceit.core(core, peer)
    if _is_recorded(settings):
        core = Recorded(core, settings.run, start)
    if settings.console_log and (warning := cut_warning(contract)):
        print(f"note: {warning}", flush=True)
    if settings.console_log and core.waiting_for:
        waited = ", ".join(map(str, sorted(core.waiting_for)))
        print(f"waiting for neighbours {waited} (up to {contract.gossip.join_timeout_s:g} s)", flush=True)
    host = Host(core, work, lambda handlers: _links(contract, directory, layout, handlers, ledger))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, host.stop)
    try:
        finish = await host.run()
        work.finish(sync=finish.reason != "stopped")
        if directory.neighbours and not host.met and finish.reason != "stopped" and not settings.resume:
            alone = ", ".join(str(each.peer) for each in directory.neighbours)
            raise PeerError(
                f"trained alone: none of its neighbours ({alone}) was ever there",
                where=str(settings.run / f"peer-{peer}.jsonl"),
                fix="compare addresses, ports and public keys with theirs (lines `refused` there), "
                "and begin again with another --run",
            )
        return finish, work.digest()
    finally:
        ledger.close()


def _is_recorded(settings: PeerSettings) -> bool:
    """A record with a life missing would be of no use."""
    return settings.record or (settings.resume and inputs_path(settings.run, settings.peer).exists())


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
) -> dict[str, Any]:
    """The first line of a life in the event log."""
    layout = layout_of(contract.model)
    return {
        "event": "start",
        "peer": peer,
        "pid": os.getpid(),
        "version": __version__,
        "contract_digest": digest(contract).hex(),
        "layout_digest": layout.digest().hex(),
        "parameters": layout.size,
        "device": str(device),
        "threads": threads,
        "data": shard.summary,
        "resumed_round": resumed_round,
    }


def _links(contract: Contract, directory: Directory, layout: Layout, handlers: Host, ledger: JsonLines) -> Links:
    return Links(
        directory.me,
        directory.listen,
        directory.identity,
        directory.neighbours,
        prologue=digest(contract),
        sections=section_digests(contract),
        schema=schema_of(contract, layout),
        handlers=handlers,
        ledger=lambda entry: ledger.write(**entry),
    )


def _starting_point(settings: PeerSettings, layout: Layout) -> tuple[Checkpoint, tuple[int, int]]:
    """Where to go on from, and the bytes (sent, received) of earlier lives."""
    contract_digest, layout_digest = digest(settings.contract).hex(), layout.digest().hex()
    if settings.resume:
        found = load_checkpoint(
            settings.run, settings.peer, contract_digest=contract_digest, layout_digest=layout_digest
        )
        return found, traffic_before(settings.run / f"peer-{settings.peer}.jsonl")
    whole = initial_params(settings.contract, cache=settings.home / "cache", weights=settings.weights)
    params = sliced(layout.dimensions, settings.contract.peers.width(settings.peer), whole)
    return Checkpoint(settings.peer, 0, params, Progress(), contract_digest, layout_digest), (0, 0)


def traffic_before(log: Path) -> tuple[int, int]:
    """Bytes (sent, received) by the last round in a peer's event log."""
    last = (0, 0)
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the line that was being written when the peer was killed
        if event.get("event") == "round":
            last = event["bytes_sent"], event["bytes_received"]
    return last


def _note_failure(log: JsonLines | None, detail: str) -> None:
    if log is None:
        return
    try:
        log.write(event="finish", reason="error", rounds=None, detail=detail)
    except P2pmeError:
        return  # the disk that is full is the one the log is on; the message stands on stderr

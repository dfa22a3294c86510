"""One peer from start to end: contract, key, data, trainer, links, core, host; and an exit code for the shell."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Protocol

import torch

from p2pfl_me.console.words import in_words
from p2pfl_me.contract import Contract, digest
from p2pfl_me.contract.noise_graph import noise_warning
from p2pfl_me.contract.privacy import require_recordable
from p2pfl_me.data.synthetic import DRAWN
from p2pfl_me.errors import P2pmeError, PeerError
from p2pfl_me.exits import Exit, stop_signals
from p2pfl_me.gossip.cores import core_of
from p2pfl_me.gossip.protocol import Finish
from p2pfl_me.gossip.protocol import Protocol as Core
from p2pfl_me.gossip.sketch import Sketcher
from p2pfl_me.gossip.turning import TURNED
from p2pfl_me.learning.protections import Means
from p2pfl_me.learning.trainer import Samples, make_trainer
from p2pfl_me.machine import lack_of
from p2pfl_me.membership.agreed import Standing
from p2pfl_me.output import put, wait_for_no_reader
from p2pfl_me.passphrase import known_passphrase
from p2pfl_me.peer.changing import Changing
from p2pfl_me.peer.consent import require_consent
from p2pfl_me.peer.court import court_of
from p2pfl_me.peer.directory import Directory, directory_of
from p2pfl_me.peer.going_on import as_agreed, changes_told, joins_since, turn_of
from p2pfl_me.peer.host import Host
from p2pfl_me.peer.opening import links_of, require_files
from p2pfl_me.peer.own_clips import drawn_before, other_than_before, refusal
from p2pfl_me.peer.own_clips import keep as keep_marks
from p2pfl_me.peer.payments import privacy_ledger, shared_streams
from p2pfl_me.peer.pledged import PledgesFile
from p2pfl_me.peer.recording import Recorded, inputs_path
from p2pfl_me.peer.settings import Begin, PeerSettings
from p2pfl_me.peer.shard import Shard, load_shard
from p2pfl_me.peer.slots import versions
from p2pfl_me.peer.start import (
    checkpoint_seal,
    core_start,
    goes_on,
    put_aside,
    seal_what_is_open,
    start_event,
    starting_point,
    traffic_before,
)
from p2pfl_me.peer.stopping import heard_by
from p2pfl_me.peer.unlogged import Unlogged
from p2pfl_me.peer.view_store import FolderStore
from p2pfl_me.peer.work import RoundWork, failure
from p2pfl_me.progress import FEATURES, IMAGES, showing
from p2pfl_me.run import events
from p2pfl_me.run.beginning import changes_behind, keep_contract
from p2pfl_me.run.events import AnyEvent, Reason
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.latest import mark_latest
from p2pfl_me.run.lines import EventLog, Ledger
from p2pfl_me.topology import plan_of
from p2pfl_me.topology.cut import cut_warning
from p2pfl_me.wire.links import Changes, Links
from p2pfl_me.wire.stream_sockets import require_listening

LOOK_S = 0.5
"""Between two looks into the run folder for what `p2pme adopt` may have laid there."""


class Deceit(Protocol):
    """What a swarm puts between a peer and its work to see how the others stand a liar. `p2pme peer` has none."""

    def samples(self, samples: Samples) -> Samples: ...
    def core(self, core: Core, me: int) -> Core: ...


def run_peer(settings: PeerSettings, deceit: Deceit | None = None) -> int:
    """Run one peer to its end and return its exit code; errors are printed and logged, never raised.

    SIGINT, SIGTERM and SIGHUP stop it at once: the neighbours are told, the last checkpoint stands, the code is 130.
    """
    # A user who stops a peer that is still reading its data waits for nothing either.
    for number in stop_signals():
        signal.signal(number, lambda *_: os._exit(Exit.STOPPED))
    wait_for_no_reader()
    log: EventLog | None = None
    try:
        if settings.record:
            require_recordable(settings.contract)
        settings = as_agreed(settings)
        directory = directory_of(settings, plan_of(settings.contract))  # a wrong id or key leaves the folder alone
        require_files(len(directory.neighbours))
        if settings.begin is Begin.FRESH and (aside := put_aside(settings.run, settings.peer)):
            put(f"what peer {settings.peer} had left here is in {aside}")
        require_consent(settings.run, settings.contract, court_of(directory, settings.home).witness, settings.view)
        changed = keep_contract(settings.run, settings.contract)
        settings = replace(settings, resume=goes_on(settings))
        settings = replace(settings, changed=bool(changed), since=joins_since(settings))
        own = EventLog(RunFolder(settings.run).log(settings.peer), _print_line if settings.console_log else None)
        own.claim()  # before a word is written: the log may be that of a living peer
        log = own
        if settings.console_log:  # a peer by itself: its run is the newest, whoever asks while it goes on
            mark_latest(settings.run)
        if changed:
            log.write(events.Changed(changed, digest(settings.contract).hex()))
        return asyncio.run(_lives(settings, log, deceit))
    except P2pmeError as error:
        put(f"peer {settings.peer}: {error}", sys.stderr)
        _note_failure(log, error, str(error))
        return error.exit_code
    except Exception as error:
        if lack := lack_of(error):
            put(f"peer {settings.peer}: {lack}", sys.stderr)
            _note_failure(log, error, str(lack))
            return lack.exit_code
        # A bug of ours: the neighbours' runs go on, this one ends, and its log keeps what we need to mend it.
        where = RunFolder(settings.run).log(settings.peer)
        text = f"internal error, {type(error).__name__}: {error}"
        put(f"peer {settings.peer}: {text}\n  -> please report it with {where}", sys.stderr)
        _note_failure(log, error, f"{text}\n{traceback.format_exc()}")
        return Exit.BUG


def _print_line(event: AnyEvent) -> None:
    if line := in_words(event):
        put(line)


class _Signals:
    """Whoever is told to stop: the host of this life, or the next one's as soon as there is one."""

    def __init__(self) -> None:
        self.host: Host | None = None
        self.stopped = False
        self._loop, self._numbers = asyncio.get_running_loop(), stop_signals()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within, being told to stop raises KeyboardInterrupt: for work that keeps the loop from hearing of it."""
        for number in self._numbers:
            self._loop.remove_signal_handler(number)
            signal.signal(number, signal.default_int_handler)
        try:
            yield
        finally:
            for number in self._numbers:
                self._loop.add_signal_handler(number, self.stop)

    def stop(self) -> None:
        self.stopped = True
        if self.host:
            self.host.stop()


async def _lives(settings: PeerSettings, log: EventLog, deceit: Deceit | None) -> Exit:
    """One life after another: a change of the contract, on which the members agree on the way, ends one."""
    signals = _Signals()
    with heard_by(asyncio.get_running_loop(), signals.stop):
        return await _one_after_another(settings, log, deceit, signals)


async def _one_after_another(settings: PeerSettings, log: EventLog, deceit: Deceit | None, signals: _Signals) -> Exit:
    read = cache(partial(_read, settings))  # once: what has changed on the disk since is for the next start to notice
    while True:
        directory = directory_of(settings, plan_of(settings.contract))
        code, new = await _run(settings, log, directory, deceit, signals, read)
        if new is None:
            return code
        log.write(events.Changed(keep_contract(settings.run, new, agreed=True), digest(new).hex()))
        resume = any(path.exists() for path in versions(RunFolder(settings.run).checkpoint(settings.peer)))
        settings = replace(settings, contract=new, resume=resume, changed=False)
        settings = replace(settings, since=joins_since(settings))


async def _run(
    settings: PeerSettings,
    log: EventLog,
    directory: Directory,
    deceit: Deceit | None,
    signals: _Signals,
    read: Callable[[], Shard],
) -> tuple[Exit, Contract | None]:
    contract, peer = settings.contract, settings.peer
    schedule = plan_of(contract)
    layout = contract.model.layout
    if directory.listen:
        require_listening(directory.listen)  # clips may take minutes to read
    seal, passphrase = checkpoint_seal(settings) or (None, known_passphrase)
    start = starting_point(settings, layout, passphrase)
    if seal and settings.resume:
        seal_what_is_open(settings.run, start, seal)
    unlogged, before = Unlogged(settings.run, peer), (0, 0)
    if settings.resume:
        unlogged.tell(log, start.completed)
        before = traffic_before(RunFolder(settings.run), peer)
    threads = settings.threads or (1 if contract.peers.member(peer).is_loopback else torch.get_num_threads())
    torch.set_num_threads(threads)
    try:
        with signals.at_once():
            shard = read()
    except KeyboardInterrupt:
        if settings.console_log:
            put(f"peer {peer}: stopped while it read its clips; give the same command again")
        return Exit.STOPPED, None
    samples = deceit.samples(shard.samples) if deceit else shard.samples
    payments = privacy_ledger(contract, settings.run, start, home=settings.home)
    means = Means(ledger=payments, shared=shared_streams(contract, directory) if contract.privacy.noise else None)
    width = contract.peers.width(peer)
    trainer = make_trainer(contract, peer, samples, device=settings.device, width=width, means=means)
    resumed = start.completed if settings.resume else None
    log.write(start_event(contract, peer, trainer.device, threads, shard, resumed))
    keep_marks(settings.run, peer, shard.marks)
    ledger = Ledger(RunFolder(settings.run).ledger(peer))
    joins = settings.since is not None
    work = RoundWork(
        trainer,
        Sketcher(layout.size, contract.seed),
        log,
        settings.run,
        start,
        before,
        budget=contract.privacy.budget,
        seal=seal,
        unlogged=unlogged,
        joins=joins,
    )
    standing = Standing(changes_behind(settings.run), contract)
    turn = turn_of(settings, standing, start.completed)
    pledged = PledgesFile(RunFolder(settings.run).pledges(peer)) if contract.privacy.exchange.sums_only else None
    keys = replace(directory.keys, pledges=pledged.pledges) if directory.keys and pledged else None
    core = core_of(contract, peer, schedule, turn.of(replace(core_start(start, contract), keys=keys)))
    if deceit:
        core = deceit.core(core, peer)
    elif _is_recorded(settings):  # a lie is no answer of a core, so a liar's life cannot be lived again
        core = Recorded(core, settings.run, start, turn)
    if settings.console_log:
        for warning in filter(None, (cut_warning(contract), noise_warning(contract))):
            put(f"note: {warning}")
    if settings.console_log and core.waiting_for:
        waited = f"neighbour{'s' * (len(core.waiting_for) > 1)} {', '.join(map(str, sorted(core.waiting_for)))}"
        put(f"waiting for {waited} (up to {contract.gossip.start.patience:g} s)")
    told = changes_told(settings, standing, directory)

    def connect(host: Host) -> Links:
        changes = told and Changes(*told, host.on_change)
        return links_of(contract, directory, layout, host, ledger.write, changes, asks=not joins)

    refusing = () if joins else schedule.neighbours(peer)  # whom they do not know before its round, they refuse
    host = signals.host = Host(core, work, connect, refusing, contract.gossip.start.patience)
    changing = host.changing = told and Changing(
        FolderStore(settings.run),
        standing,
        court_of(directory, settings.home),
        me=peer,
        completed=lambda: work.completed,
        ring=host.ring_view,
        tell=host.tell,
        note=host.note,
    )
    looking = asyncio.create_task(_look(host))
    try:
        if signals.stopped:
            host.stop()
        finish = await host.run()
        if finish.reason == TURNED and changing and changing.agreed:
            work.settle(sync=True)
            if peer in changing.agreed.peers.present:
                return Exit.DONE, changing.agreed
            finish = replace(finish, reason=Reason.LEFT.value)
        work.settle(sync=finish.reason != "stopped")
        if finish.reason == Reason.UNMET:
            work.finished(finish, None)
            _say_unmet(settings, host)
            return Exit.INCOMPLETE, None
        if directory.neighbours and not host.met and finish.reason != "stopped" and not settings.resume:
            raise _never_met(settings, _named(host, [each.peer for each in directory.neighbours]), work.completed)
        work.finished(finish, None)
        return _exit(settings, finish, work.shortfall(finish)), None
    finally:
        signals.host = None
        looking.cancel()
        work.end()
        ledger.close()
        if payments:
            payments.close()
        if pledged:
            pledged.close()


def _read(settings: PeerSettings) -> Shard:
    """Its clips; a life that goes on goes on with the same.

    Raises
    ------
    DataError
        They cannot be used, or are others than before and the user has not said that they may be. Drawn ones that come
        with p2pme are dealt as the contract says: where it has changed they have, and that is told alone.
    """
    shard = _shown(settings)
    if not settings.resume:
        return shard
    words = other_than_before(settings.run, settings.peer, shard.marks, shard.summary)
    by_contract = settings.data is None and drawn_before(settings.run, settings.peer)
    if words and not (settings.other_data or by_contract):
        raise refusal(words, settings.peer, settings.data)
    return replace(shard, summary=replace(shard.summary, other=words))


def _shown(settings: PeerSettings) -> Shard:
    """Whoever runs it by hand sees how far the reading has come: drawing, images and features can take minutes."""
    if not settings.console_log:
        return load_shard(settings)
    with showing(DRAWN, IMAGES, FEATURES) as (drawing, preparing, progress):
        return load_shard(settings, drawing=drawing, preparing=preparing, progress=progress)


async def _look(host: Host) -> None:
    """See now and then whether `p2pme adopt` has laid something into the run folder."""
    while True:
        await asyncio.sleep(LOOK_S)
        host.look()


def _named(host: Host, peers: list[int]) -> str:
    """Peers, and why they could not be reached."""
    why = host.unreachable
    return ", ".join(f"{peer} at {why[peer]}" if peer in why else str(peer) for peer in peers)


def _never_met(settings: PeerSettings, neighbours: str, rounds: int) -> PeerError:
    """Of a peer that has trained alone to its end, or trained nothing, as it waited for company (`gossip.alone`)."""
    again = "begin again with --fresh" if rounds else "give the same command again"
    return PeerError(
        f"{'trained alone' if rounds else 'trained nothing'}: none of its neighbours ({neighbours}) was ever linked",
        where=str(RunFolder(settings.run).log(settings.peer)),
        fix=f"compare addresses, ports and public keys with theirs (lines `refused` there), and {again}",
    )


def _say_unmet(settings: PeerSettings, host: Host) -> None:
    neighbours = _named(host, list(plan_of(settings.contract).neighbours(settings.peer)))
    met = (
        f"met {', '.join(map(str, sorted(host.met)))}, and none of them" if host.met else "met none of them, so nobody"
    )
    put(
        f"peer {settings.peer} is to meet {neighbours}; in {settings.waits_s or 0:g} s it {met} gave it a model "
        "to begin with\n  -> ask them whether the run has come to the round that lets it in, and whether its log says "
        "`refused`; then give the same command again",
        sys.stderr,
    )


def _exit(settings: PeerSettings, finish: Finish, shortfall: str) -> Exit:
    """What an end is worth; a peer that did less than the contract asks says so."""
    if finish.reason == Reason.STOPPED:
        return Exit.STOPPED
    if shortfall:
        log = RunFolder(settings.run).log(settings.peer)
        put(f"peer {settings.peer}: {shortfall}\n  -> {log} says when, and who was not there", sys.stderr)
        return Exit.INCOMPLETE
    return Exit.DONE


def _is_recorded(settings: PeerSettings) -> bool:
    """A record with a life missing would be of no use."""
    return settings.record or (settings.resume and inputs_path(settings.run, settings.peer).exists())


def _note_failure(log: EventLog | None, error: Exception, detail: str) -> None:
    if log is None:
        return
    try:
        log.write(failure(error, detail))
    except P2pmeError:
        return  # the disk that is full is the one the log is on; the message stands on stderr

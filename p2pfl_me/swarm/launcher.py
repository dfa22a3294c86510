"""Starts a contract's peers as real processes on this machine, watches over them, and ends with averages and baselines.

The launcher itself never imports torch: one fork server does, once, and every peer is forked from it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from p2pfl_me.baselines.jobs import baseline_jobs, features_job
from p2pfl_me.children import Children, Job, manner, stop
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract
from p2pfl_me.contract.noise_graph import noise_warning
from p2pfl_me.counting import many
from p2pfl_me.errors import ContractError, P2pmeError
from p2pfl_me.exits import Exit, stop_signals, verdict
from p2pfl_me.home import keys_dir
from p2pfl_me.machine import cores
from p2pfl_me.networks.kinds.own import Own
from p2pfl_me.options import RunOptions
from p2pfl_me.run.beginning import undone_if_refused
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.latest import mark_latest
from p2pfl_me.run.manifest import ManifestFile, told_lies
from p2pfl_me.run.results import join_baselines
from p2pfl_me.swarm.ahead import CHILDREN
from p2pfl_me.workers import fork_server

if TYPE_CHECKING:
    from p2pfl_me.adversary import Lies
    from p2pfl_me.data.shards import Shards
    from p2pfl_me.peer.settings import PeerSettings

LOOK_S = 0.2
"""Seconds between looks at the peers and their logs."""
REFUSED = frozenset({Exit.REFUSED, Exit.CANNOT_GO_ON, Exit.DIVERGED})
"""Exit codes of a child that told the user all there is to tell; the log of any other is kept."""


def launch(contract: Contract, options: RunOptions, console: Console) -> int:
    """Run a swarm to its end and return its exit code: 0, 130 when stopped, 1 when a peer failed,
    4 when none failed and one did not train or share all of its rounds.

    A swarm that could not begin, whatever the reason, does not leave its run folder to block the corrected command.

    Raises
    ------
    ContractError, DataError, RunError
        Before any peer is started.
    """
    from p2pfl_me.contract.privacy import require_recordable, unrecorded_note
    from p2pfl_me.swarm.dealing import deal_clips
    from p2pfl_me.swarm.memory import require_files, require_memory
    from p2pfl_me.swarm.ports import require_ports
    from p2pfl_me.topology import plan_of
    from p2pfl_me.topology.cut import cut_warning

    _refuse_remote(contract)
    if isinstance(contract.model.backbone, Own) and (own := contract.model.backbone.code):
        own.require_source()
    require_memory(contract)
    require_files(contract)
    require_ports(contract)
    plan_of(contract)
    contract.privacy.exchange.require_installed()
    if options.record:
        require_recordable(contract)
    for warning in filter(None, (cut_warning(contract), noise_warning(contract))):
        console.say(f"note: {warning}")
    if options.lies:
        options.lies.require_fit(contract)
        console.say(f"{options.lies.words}; peers {', '.join(map(str, sorted(options.liars(contract))))}")
    with _Interrupts() as interrupts:
        try:
            with undone_if_refused(options.run, contract):
                told = told_lies(options.lies.to_json(contract)) if options.lies else None
                manifest = ManifestFile(options.run, contract, options.command, lies=told)
                context = fork_server(CHILDREN)
                if not options.record and (note := unrecorded_note(contract)):
                    console.say(f"note: {note}")
                console.say(f"dealing clips to {many(contract.peers.count, 'peer')}")
                try:
                    with interrupts.at_once():
                        shards = deal_clips(contract, options, manifest, console)
                except KeyboardInterrupt:
                    return manifest.finish({}, Exit.STOPPED)
                keys_dir(options.home)
                children = Children(context, interrupts.wait)
                from_here = (contract, options.run, options.home, options.weights)
                place = (options.home, options.weights, options.device)
                features = features_job(contract, shards, *place, tells=options.tells)
                code = children.run_all({"features": features}, console.say)
                if code == Exit.STOPPED:
                    return manifest.finish({}, code)
                if code:
                    raise _NotBegun(code)
                exits = _run_peers(contract, options, shards, children, console, interrupts)
        except _NotBegun as refused:
            return refused.code
        liars = options.liars(contract)
        honest = [exit for peer, exit in exits.items() if peer not in liars]
        code = Exit.STOPPED if interrupts.count else verdict(honest)
        if code == Exit.STOPPED:
            console.say("stopped before its end: what follows is of the rounds until then")
        else:
            folder = RunFolder(options.run)
            done = [peer for peer in exits if peer not in liars and folder.checkpoint(peer).exists()]
            jobs: dict[str, Job] = {"average model": (_average, (*from_here, done, shards))} if done else {}
            if options.baselines:
                jobs |= baseline_jobs(*from_here, shards)
            code = children.run_all(jobs, console.say, at_once=cores()) or code
            join_baselines(options.run)
        return manifest.finish(exits, Exit.STOPPED if interrupts.count else code)


class _NotBegun(P2pmeError):
    """A child has told the user why it cannot begin, and no peer has concluded a round."""

    def __init__(self, code: int) -> None:
        super().__init__("nothing has run")
        self.code = code


def _run_peers(
    contract: Contract,
    options: RunOptions,
    shards: Shards,
    children: Children,
    console: Console,
    interrupts: _Interrupts,
) -> dict[int, int | None]:
    liars = options.liars(contract)
    processes = {
        peer: children.start((_liar, (_settings(contract, options, shards, peer), options.lies)))
        if peer in liars
        else children.start((_peer, (_settings(contract, options, shards, peer),)))
        for peer in range(contract.peers.count)
    }
    told: set[int] = set()

    def unbegun() -> list[int]:
        return [peer for peer in told if table.never_began(peer) and (processes[peer].exitcode or 0) > 0]

    def name_the_dead(expected: Container[int]) -> None:
        alive = any(process.exitcode is None for process in processes.values())
        for peer, process in processes.items():
            code = process.exitcode
            if code is None or code in expected or peer in told or interrupts.count:
                continue
            told.add(peer)
            table.died(peer)
            go_on = "; the others go on" if alive and not (table.never_began(peer) and code > 0) else ""
            table.say(f"peer {peer} {manner(code)}{go_on}")

    expected = {0}
    going = False
    with console.watching(contract, options.run, liars) as table:
        while any(process.exitcode is None for process in processes.values()):
            table.update()
            if not going and any(view.round for view in table.peers.values()):
                going = True  # until then it may be refused, and leaves no folder
                mark_latest(options.run)
            name_the_dead(expected)
            if console.stopped and not interrupts.count:
                interrupts.ask()
            if interrupts.count:
                stop(processes.values(), hard=interrupts.count > 1)
            elif failed := unbegun():
                # The others would wait for it until the join timeout, and then run without a part of the data.
                table.say(f"peer {failed[0]} could not begin, so the swarm is stopped")
                stop(processes.values(), hard=False)
                expected = {0, Exit.STOPPED, -signal.SIGTERM, -signal.SIGKILL}
            else:
                interrupts.wait(LOOK_S)
        table.update()
        name_the_dead(expected)  # those that died with the last, since the last look
    refused = [processes[peer].exitcode in REFUSED for peer in unbegun()]
    if refused and all(refused) and not any(view.round for view in table.peers.values()):
        raise _NotBegun(1)
    return {peer: process.exitcode for peer, process in processes.items()}


def _settings(contract: Contract, options: RunOptions, shards: Shards, peer: int) -> PeerSettings:
    from p2pfl_me.peer.settings import PeerSettings

    folder = RunFolder(options.run)
    return PeerSettings(
        peer=peer,
        contract=contract,
        run=options.run,
        home=options.home,
        data=folder.shard(peer),
        test=folder.test,
        weights=options.weights,
        device=options.device,
        record=options.record,
        clips=shards.of(peer),
    )


def _refuse_remote(contract: Contract) -> None:
    for member in contract.peers.members or ():
        if not member.is_loopback:
            raise ContractError(
                f"peer {member.id} is at {member.address or 'no address'}, and a swarm runs on this machine only",
                where=contract.name,
                fix="start each peer on its own machine with `p2pme peer`, or use a loopback contract",
            )
        if member.public_key:
            raise ContractError(
                f"peer {member.id} has a key of its own, which a swarm does not hold",
                where=contract.name,
                fix="start the peers with `p2pme peer --key`, or leave public_key out on loopback",
            )


def _peer(settings: PeerSettings) -> None:
    from p2pfl_me.swarm.children import peer_child

    peer_child(settings)


def _liar(settings: PeerSettings, lies: Lies) -> None:
    from p2pfl_me.swarm.children import liar_child

    liar_child(settings, lies)


def _average(
    contract: Contract, run: Path, home: Path, weights: Path | None, peers: Sequence[int], shards: Shards
) -> None:
    from p2pfl_me.swarm.children import average_child

    average_child(contract, run, home, weights, peers, shards)


class _Interrupts:
    """Counts Ctrl-C, SIGTERM and SIGHUP instead of raising, so that the peers can be stopped in order.

    Signals are the main thread's: a swarm in another one leaves them as they are, and is not stopped by them.
    """

    def __init__(self) -> None:
        self.count = 0
        self._raises = False
        self._come = threading.Event()

    def __enter__(self) -> _Interrupts:
        heard = stop_signals() if threading.current_thread() is threading.main_thread() else ()
        self._before = {number: signal.getsignal(number) for number in heard}
        for number in self._before:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Where there is no peer to stop in order, Ctrl-C is the usual KeyboardInterrupt, one that came before too."""
        self._raises = True
        try:
            if self.count:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

    def ask(self) -> None:
        """Stop the swarm as Ctrl-C would."""
        self.count += 1
        self._come.set()

    def _note(self, *_: object) -> None:
        self.count += 1
        self._come.set()
        if self._raises:
            raise KeyboardInterrupt

    def wait(self, seconds: float) -> bool:
        """True once the user has stopped the swarm; else after `seconds` at most."""
        return self._come.wait(seconds)

"""`simulate`: a swarm's whole run on the virtual clock, left behind as a run folder like that of real peers.

Cores, trainer, event log, checkpoints and scores are the real ones; the clock, the links and the machines are not.
"""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from p2pfl_me.adversary import Board, Observed
from p2pfl_me.console.lines import Console
from p2pfl_me.contract import Contract, digest
from p2pfl_me.contract.noise_graph import noise_warning
from p2pfl_me.contract.privacy import require_recordable
from p2pfl_me.data.shards import Shards, all_clips
from p2pfl_me.exits import Exit, verdict
from p2pfl_me.gossip.cores import core_of
from p2pfl_me.gossip.protocol import Finish, Mixed
from p2pfl_me.gossip.sketch import Sketcher
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.home import cache_dir
from p2pfl_me.keyring import Pledges
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.protections import rehearsal
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import Trainer, make_trainer
from p2pfl_me.options import RunOptions
from p2pfl_me.peer.average import score_average, shard_settings
from p2pfl_me.peer.checkpoint import Checkpoint, checkpoint_path, load_checkpoint
from p2pfl_me.peer.payments import privacy_ledger
from p2pfl_me.peer.recording import Recorded
from p2pfl_me.peer.schema import schema_of
from p2pfl_me.peer.shard import load_shard
from p2pfl_me.peer.start import core_start, start_event, traffic_before
from p2pfl_me.peer.work import RoundWork
from p2pfl_me.privacy.ledger import PrivacyLedger
from p2pfl_me.progress import FEATURES, IMAGES
from p2pfl_me.run.beginning import undone_if_refused
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.lines import EventLog
from p2pfl_me.run.manifest import ManifestFile, told_lies
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel
from p2pfl_me.simulation.host import Life, Simulation
from p2pfl_me.simulation.keys import simulated_keys
from p2pfl_me.simulation.pace import ORDINARY
from p2pfl_me.swarm.dealing import deal_clips
from p2pfl_me.topology import plan_of
from p2pfl_me.topology.cut import cut_warning
from p2pfl_me.widths import sliced


def simulate(
    contract: Contract,
    options: RunOptions,
    console: Console,
    *,
    faults: FaultModel = ORDINARY,
    sealed: bool = False,
) -> int:
    """Run a contract's peers under `faults` and return 0, or 1 when a peer failed or never finished.

    Equal contracts, data and faults leave equal weights behind, on any machine of one kind.

    Raises
    ------
    ContractError, DataError, RunError
        Before anything is run.
    """
    schedule = plan_of(contract)
    if options.record:
        require_recordable(contract)
    for warning in filter(None, (cut_warning(contract), noise_warning(contract))):
        console.say(f"note: {warning}")
    if options.lies:
        options.lies.require_fit(contract)
    with undone_if_refused(options.run, contract):
        told = told_lies(options.lies.to_json(contract)) if options.lies else None
        manifest = ManifestFile(options.run, contract, options.command, engine="simulate", lies=told)
        shards = deal_clips(contract, options, manifest, console)
        torch.set_num_threads(1)
        # All features once, in one pass: peers find theirs in the cache.
        with console.showing(IMAGES, FEATURES) as (preparing, progress):
            samples_of(
                contract,
                all_clips(shards),
                cache=cache_dir(options.home),
                weights=options.weights,
                device=options.device,
                progress=progress,
                preparing=preparing,
            )
    clock = Clock()
    machines = _Machines(contract, options, shards, clock, console)
    simulation = Simulation(
        machines.boot,
        {peer: schedule.neighbours(peer) for peer in range(schedule.size)},
        machines.paced(faults),
        schema_of(contract, contract.model.layout),
        clock=clock,
        seed=contract.seed,
        sealed=sealed or any(link.corruption for link in (faults.link, *faults.links.values())),
    )
    try:
        simulation.run()
    except _Stopped:
        pass  # its console says so
    finally:
        machines.close()
    if console.listens:
        machines.told.update()
    for peer, error in sorted(simulation.failed.items()):
        console.complain(f"peer {peer}: {error}")
    # What a fault model takes away is what it was asked for, and no peer's failure.
    short = machines.short(simulation.finished) if faults is ORDINARY else frozenset[int]()
    ends = {peer: Exit.INCOMPLETE if peer in short else Exit.DONE for peer in simulation.finished}
    exits = {peer: ends.get(peer, Exit.FAILED) for peer in range(schedule.size)}
    liars = options.liars(contract)
    kept = [peer for peer in exits if peer not in liars and checkpoint_path(options.run, peer).exists()]
    if kept:
        score_average(contract, options.run, options.home, options.weights, kept, shards)
    if console.stopped:
        return manifest.finish(exits, Exit.STOPPED)
    return manifest.finish(exits, verdict(code for peer, code in exits.items() if peer not in liars))


class _Stopped(Exception):
    """A listener asked for the end."""


class _Machines:
    """The peers' data, trainers and files; a peer that comes back after a crash finds its own again."""

    def __init__(self, contract: Contract, options: RunOptions, shards: Shards, clock: Clock, console: Console) -> None:
        self._contract, self._options, self._clock, self._console = contract, options, clock, console
        self.told = console.following(contract, options.run)
        """Follows the logs for whoever wants to be told of each round."""
        self._concluded = 0
        self._schedule = plan_of(contract)
        self._epoch = time.time()
        self._initial = initial_params(contract, cache=cache_dir(options.home), weights=options.weights)
        settings = (contract, options.run, options.home, options.weights)
        self._shards = [load_shard(shard_settings(*settings, peer, shards)) for peer in range(contract.peers.count)]
        self._trainers: dict[int, Trainer] = {}
        self._logs: dict[int, EventLog] = {}
        self._ledgers: list[PrivacyLedger] = []
        self._works: dict[int, RoundWork] = {}
        self._lives: Counter[int] = Counter()
        self._pledges: dict[int, Pledges] = defaultdict(Pledges)
        self._sketcher = Sketcher(contract.model.layout.size, contract.seed)
        self._board = Board(options.liars(contract)) if options.lies else None
        """What liars see: every model that any honest peer sends."""
        self._deceit = options.lies.deceit(contract, self._board) if options.lies and self._board else None

    def paced(self, faults: FaultModel) -> FaultModel:
        """The fault model with the work of a peer's training steps as its pace: a narrow head is so much less work."""
        training, width = self._contract.training, self._contract.peers.width
        steps = {
            peer: width(peer) * training.local_epochs * math.ceil(len(shard.samples.train) / training.batch_size)
            for peer, shard in enumerate(self._shards)
        }
        return replace(faults, slow={peer: n * faults.slow.get(peer, 1.0) for peer, n in steps.items()})

    def boot(self, peer: int) -> Life:
        again = peer in self._logs
        start = self._checkpoint(peer)
        if not again:
            path = RunFolder(self._options.run).log(peer)
            self._logs[peer] = EventLog(path, clock=lambda: self._epoch + self._clock.now, limit=None)
            samples, width = self._shards[peer].samples, self._contract.peers.width(peer)
            if self._deceit and self._board and peer in self._board.liars:
                samples = self._deceit.samples(samples)
            ledger = privacy_ledger(self._contract, self._options.run, start, lambda: self._epoch + self._clock.now)
            self._ledgers += [ledger] if ledger else []
            means = rehearsal(self._contract, peer, ledger)
            self._trainers[peer] = make_trainer(
                self._contract, peer, samples, self._options.device, width=width, means=means
            )
        log, trainer = self._logs[peer], self._trainers[peer]
        resumed = start.completed if again else None
        log.write(start_event(self._contract, peer, trainer.device, 1, self._shards[peer], resumed))
        before = traffic_before(RunFolder(self._options.run), peer) if again else (0, 0)
        budget = self._contract.privacy.budget
        work = RoundWork(
            trainer, self._sketcher, log, self._options.run, start, before, lambda: self._clock.now, budget
        )
        self._lives[peer] += 1
        keys = simulated_keys(self._contract, peer, self._lives[peer], pledges=self._pledges[peer])
        begin = replace(core_start(start, self._contract), keys=keys)
        core = core_of(self._contract, peer, self._schedule, begin)
        if self._board and self._deceit and peer in self._board.liars:
            recorded = self._deceit.core(core, peer)  # a lie is no answer of a core: no record
        else:
            honest = Observed(core, peer, self._board) if self._board else core
            recorded = Recorded(honest, self._options.run, start) if self._options.record else honest
        self._works[peer] = work
        return Life(recorded, _Telling(work, self._tell))

    def close(self) -> None:
        """Whoever reads the run folder may open its privacy ledgers again."""
        for ledger in self._ledgers:
            ledger.close()

    def _tell(self) -> None:
        """A peer has concluded a round: look at the logs once as many have as there are peers."""
        self._concluded += 1
        if self._console.listens and self._concluded % self._contract.peers.count == 0:
            self.told.update()
            if self._console.stopped:
                raise _Stopped

    def short(self, finished: Mapping[int, Finish]) -> frozenset[int]:
        """The peers that came to their end without all of their rounds trained and shared."""
        return frozenset(peer for peer, finish in finished.items() if self._works[peer].shortfall(finish))

    def _checkpoint(self, peer: int) -> Checkpoint:
        here = digest(self._contract).hex(), self._contract.model.layout.digest().hex()
        if checkpoint_path(self._options.run, peer).exists():
            return load_checkpoint(self._options.run, peer, contract_digest=here[0], layout_digest=here[1])
        shapes = self._contract.model.layout.dimensions
        return Checkpoint(peer, 0, sliced(shapes, self._contract.peers.width(peer), self._initial), Progress(), *here)


class _Telling:
    """A peer's own work, and a word after each round that it has concluded."""

    def __init__(self, work: RoundWork, tell: Callable[[], None]) -> None:
        self._work, self._tell = work, tell
        self.train, self.note, self.finished = work.train, work.note, work.finished

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        loss = self._work.conclude(mixed, sent, received)
        self._tell()
        return loss

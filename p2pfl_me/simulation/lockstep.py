"""`run_lockstep`: a contract's whole run in lockstep, left behind as a run folder like that of real peers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from p2pfl_me.console.lines import Console
from p2pfl_me.console.watch import Concluded
from p2pfl_me.contract import Contract
from p2pfl_me.data.manifest import Clip
from p2pfl_me.data.shards import Shards
from p2pfl_me.errors import ContractError, P2pmeError
from p2pfl_me.exits import Exit
from p2pfl_me.home import cache_dir
from p2pfl_me.learning.device import pick_device
from p2pfl_me.learning.metrics import Metrics
from p2pfl_me.learning.network import initial_params
from p2pfl_me.learning.samples import samples_of
from p2pfl_me.learning.trainer import Part, Samples
from p2pfl_me.machine import cores
from p2pfl_me.message import Vector
from p2pfl_me.options import RunOptions
from p2pfl_me.peer.own_clips import summary_of
from p2pfl_me.peer.shard import Shard
from p2pfl_me.progress import FEATURES, IMAGES
from p2pfl_me.run.beginning import undone_if_refused
from p2pfl_me.run.events import Reason, Scores
from p2pfl_me.run.manifest import ManifestFile
from p2pfl_me.run.results import write_average
from p2pfl_me.simulation.lockstep_device import DeviceLockstep, can_be_stacked
from p2pfl_me.simulation.lockstep_fit import require_lockstep
from p2pfl_me.simulation.lockstep_log import LockstepLog
from p2pfl_me.simulation.lockstep_rounds import CPU, Lockstep, Training, require_memory_for
from p2pfl_me.swarm.dealing import deal_clips
from p2pfl_me.topology import Schedule, schedule_of
from p2pfl_me.topology.cut import cut_warning


def run_lockstep(contract: Contract, options: RunOptions, console: Console) -> int:
    """Run a contract's peers round by round and return 0, 130 when stopped, or 1 when one's training diverged.

    The final weights are those of real peers whom nothing delays: to the bit on the processor, which `device: auto`
    takes where there is no GPU, and but for rounding on a GPU. The clock is virtual: a round lasts as
    long as the slowest peer's training and the busiest peer's line would take.

    Raises
    ------
    ContractError, DataError, RunError
        Before anything is run; peers that lie are refused.
    """
    require_lockstep(contract)
    if options.lies:
        raise ContractError(
            f"lockstep sends no messages, and {options.lies.attack} lies in them",
            where="--attack",
            fix="take --engine simulate",
        )
    schedule = schedule_of(contract)
    if warning := cut_warning(contract):
        console.say(f"note: {warning}")
    workers = cores()
    require_memory_for(contract, schedule, workers)
    with undone_if_refused(options.run, contract):
        manifest = ManifestFile(options.run, contract, options.command, engine="lockstep")
        shards = deal_clips(contract, options, manifest, console)
        samples, test = dealt_samples(contract, shards, options, console)
    start = initial_params(contract, cache=cache_dir(options.home), weights=options.weights)
    device = pick_device(options.device)
    if device.type != "cpu" and not can_be_stacked(contract, samples):
        console.say(f"note: {contract.model.backbone} is trained on the processor: its step is not written for many")
        device = CPU
    log = LockstepLog(options.run, contract, schedule, time.time(), device)
    for peer, own in enumerate(samples):
        log.start(peer, Shard(own, summary_of(shards.of(peer))))
    code, done = 0, contract.training.rounds
    with _engine(contract, schedule, samples, start, test, workers, device) as engine:
        try:
            for round in range(contract.training.rounds):
                training = engine.train(round)
                engine.fetch()
                log.trained(engine)
                engine.mix(round)
                engine.fetch()
                scores = engine.score()[0] if len(test) else None
                log.round(round, engine, training, scores)
                console.concluded(contract, round + 1, _told(training, scores, log.sent))
                if console.stopped:
                    code, done = Exit.STOPPED, round + 1
                    break
        except P2pmeError as error:
            console.complain(str(error))
            code = error.exit_code
        else:
            log.finish(engine, done, Reason.STOPPED if code else Reason.ROUNDS)
            score = engine.score_of(engine.average()) if len(test) else None
            write_average(options.run, range(schedule.size), score.scores() if score else None)
    return manifest.finish(dict.fromkeys(range(schedule.size), code), code)


def _engine(
    contract: Contract,
    schedule: Schedule,
    samples: Sequence[Samples],
    start: Vector,
    test: Part,
    workers: int,
    device: torch.device,
) -> Lockstep:
    if device == CPU:
        return Lockstep(contract, schedule, samples, start=start, test=test, workers=workers)
    return DeviceLockstep(contract, schedule, samples, start=start, test=test, workers=workers, device=device)


def _told(training: Training, scores: Sequence[Metrics] | None, sent: Sequence[int]) -> dict[int, Concluded]:
    """A round as the listener of a swarm is told of it."""
    losses = training.losses.tolist()
    of_test = [each.scores() for each in scores] if scores else [Scores() for _ in losses]
    return {peer: Concluded(loss, of_test[peer], sent[peer]) for peer, loss in enumerate(losses)}


def dealt_samples(
    contract: Contract, shards: Shards, options: RunOptions, console: Console
) -> tuple[list[Samples], Part]:
    """Each peer's own training samples, and the common test part: all features are asked for at once."""
    own = [[clip for clip in clips if clip.split == "train"] for clips in shards.peers]
    everything: Sequence[Clip] = [clip for clips in (*own, shards.test) for clip in clips]
    with console.showing(IMAGES, FEATURES) as (preparing, progress):
        found = samples_of(
            contract,
            everything,
            cache=cache_dir(options.home),
            weights=options.weights,
            device=options.device,
            progress=progress,
            preparing=preparing,
        )
    assert found.test is not None
    bounds = np.cumsum([0, *map(len, own)])
    parts = [_between(found.train, int(low), int(high)) for low, high in pairwise(bounds)]
    return [Samples(part) for part in parts], found.test


def _between(part: Part, low: int, high: int) -> Part:
    """The samples of the clips low..high-1, whose numbers begin at 0 again."""
    mine = (low <= part.clips) & (part.clips < high)
    return replace(
        part,
        rows=part.rows[mine],
        labels=part.labels[mine],
        clips=part.clips[mine] - low,
        variants=None if part.variants is None else part.variants[mine],
        subjects=None if part.subjects is None else part.subjects[mine],
    )

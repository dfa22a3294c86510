"""The worker's side of a round: train, measure, sketch, store, write down. Called from the training thread."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from p2pfl_me.errors import DivergedError, P2pmeError
from p2pfl_me.gossip.protocol import Finish, Mixed
from p2pfl_me.gossip.sketch import Sketcher, encode_sketch
from p2pfl_me.gossip.stop import Progress, advance
from p2pfl_me.learning.trainer import Trained, Trainer
from p2pfl_me.message import Vector
from p2pfl_me.peer.checkpoint import Checkpoint, Course, checkpoint_path, save_checkpoint
from p2pfl_me.peer.slots import Keeper, settle
from p2pfl_me.peer.unlogged import Unlogged
from p2pfl_me.privacy.budget import Budget
from p2pfl_me.privacy.ledger import BudgetSpent, Entry
from p2pfl_me.run import events
from p2pfl_me.run.events import AnyEvent, Reason
from p2pfl_me.run.lines import EventLog
from p2pfl_me.sealing import Seal


class RoundWork:
    """Trains one peer's model, measures what was mixed, and leaves an event and a checkpoint for every round.

    Parameters
    ----------
    start:
        The state to go on from; each round's checkpoint replaces it.
    traffic_before:
        (bytes sent, bytes received) in this peer's earlier lives.
    clock:
        Seconds since any moment; a simulator has its own.
    budget:
        Of privacy, where the trainer spends one.
    seal:
        Under which checkpoints are written.
    unlogged:
        Keeps a round's line from a kill; a simulated peer has none.
    joins:
        The first model that is taken is the one with which this peer joins a run on its way.
    """

    def __init__(
        self,
        trainer: Trainer,
        sketcher: Sketcher,
        log: EventLog,
        run: Path,
        start: Checkpoint,
        traffic_before: tuple[int, int] = (0, 0),
        clock: Callable[[], float] = time.monotonic,
        budget: Budget | None = None,
        seal: Seal | None = None,
        unlogged: Unlogged | None = None,
        *,
        joins: bool = False,
    ) -> None:
        self._trainer = trainer
        self._sketcher = sketcher
        self._log = log
        self._run = run
        self._checkpoint = start
        self._sent_before, self._received_before = traffic_before
        self._clock, self._budget, self._seal, self._joins = clock, budget, seal, joins
        self._unlogged = unlogged
        self._keeper = Keeper()
        self._begun = self._round_begun = clock()
        self._trained: Trained | None = None
        self._train_seconds = 0.0
        self._telling, self._over = threading.Lock(), False

    def note(self, event: AnyEvent) -> None:
        """Write one event; called from the loop's thread, a line is written whole."""
        self._log.write(event)

    def end(self) -> None:
        """This life is over: a step that still runs in its thread leaves no line and no checkpoint any more."""
        with self._telling:
            self._over = True

    def finished(self, finish: Finish | None, error: P2pmeError | None) -> None:
        """Write the last line of this life."""
        self.end()
        course = self._checkpoint.course
        if finish:
            reason, shortfall = Reason(finish.reason), self.shortfall(finish)
            counts = course.trained, course.alone, finish.unsettled
            # Who is stopped while a round is being stored has it behind itself, and its core has not heard of it.
            rounds = course.trained if reason is Reason.STOPPED else finish.rounds
            told = events.Finish(reason, rounds, shortfall, self.digest(), *counts)
        else:
            told = failure(error, str(error or ""))
        self.note(told)

    def shortfall(self, finish: Finish) -> str:
        """What is missing of the rounds that a peer should have trained and shared; empty where nothing is."""
        if finish.reason == Reason.STOPPED:
            return ""
        return self._checkpoint.course.shortfall(finish.rounds + finish.skipped)

    def digest(self) -> str:
        """SHA-256 (hex) of the model as it stands in the last checkpoint: equal runs end with equal digests."""
        return hashlib.sha256(self._checkpoint.params.data).hexdigest()

    def settle(self, *, sync: bool) -> None:
        """End, and leave the last checkpoint alone in the run folder; nothing waits for the disk unless `sync`."""
        self.end()
        if sync:
            self._keeper.join()
        settle(checkpoint_path(self._run, self._checkpoint.peer), sync=sync)
        if self._unlogged:
            self._unlogged.forget()

    @property
    def completed(self) -> int:
        """Rounds that are behind the last checkpoint."""
        return self._checkpoint.completed

    def train(self, round: int, params: Vector, seconds: float | None = None) -> Vector:
        """The local epochs of one round; `seconds` is what they are said to have taken up to now, if not measured."""
        begun = self._clock()
        trained = self._trainer.train(params, round)
        now = self._clock()
        self._train_seconds = now - begun if seconds is None else seconds
        self._round_begun = now - self._train_seconds
        self._trained = trained
        with self._telling:
            if not self._over:
                if (spent := trained.spent) is not None and self._budget is not None:
                    self.note(_spent(spent, self._budget))
                self.note(events.Trained(round, trained.loss, trained.steps, _short(self._train_seconds)))
        return trained.params

    def conclude(self, mixed: Mixed, sent: int, received: int) -> float | None:
        """Evaluate, store and log a mixed round; the validation loss goes back to the core's stop rule.

        `sent` and `received` count this life's bytes on the wire.
        """
        if mixed.handed:
            return self._take(mixed)
        trained, self._trained = self._trained, None
        assert trained is not None
        test = self._trainer.evaluate(mixed.params, "test")
        validation = self._trainer.evaluate(mixed.params, "validation")
        validation_loss = validation.loss if validation else None
        with self._telling:
            if self._over:
                return validation_loss
            self._checkpoint = replace(
                self._checkpoint,
                completed=mixed.round + 1,
                params=mixed.params,
                progress=advance(self._checkpoint.progress, validation_loss),
                memory=mixed.memory,
                course=self._checkpoint.course.after(shared=bool(mixed.weights), due=mixed.alone),
                payments=trained.spent.number if trained.spent else self._checkpoint.payments,
            )
            now = self._clock()
            self._keep(
                events.Round(
                    round=mixed.round,
                    loss=trained.loss,
                    steps=trained.steps,
                    train_seconds=_short(self._train_seconds),
                    wait_seconds=_short(mixed.wait),
                    weights=dict(mixed.weights),
                    missing=dict(mixed.missing),
                    refused=dict(mixed.refused),
                    distance={peer: _short(distance) for peer, distance in mixed.distance.items()},
                    consensus=mixed.consensus,
                    late=mixed.late,
                    alone=mixed.alone,
                    norm=float(np.linalg.norm(mixed.params)),
                    test=test.scores() if test else None,
                    validation=validation.scores() if validation else None,
                    sketch_trained=encode_sketch(self._sketcher.sketch(trained.params)),
                    sketch_mixed=encode_sketch(self._sketcher.sketch(mixed.params)),
                    bytes_sent=self._sent_before + sent,
                    bytes_received=self._received_before + received,
                    seconds=_short(now - self._begun),
                    round_seconds=_short(now - self._round_begun),
                )
            )
        return validation_loss

    def _take(self, mixed: Mixed) -> float | None:
        """Keep a model of neighbours, their final one or that with which this peer joins; it has trained none of it."""
        if self._joins:
            return self._join(mixed)
        test = self._trainer.evaluate(mixed.params, "test")
        validation = self._trainer.evaluate(mixed.params, "validation")
        with self._telling:
            if not self._over:
                self._checkpoint = replace(
                    self._checkpoint, completed=mixed.round + 1, params=mixed.params, memory=mixed.memory
                )
                scores = (each.scores() if each else None for each in (test, validation))
                self._keep(events.Handed(mixed.round, tuple(sorted(mixed.weights)), *scores))
        return validation.loss if validation else None

    def _join(self, mixed: Mixed) -> float | None:
        done, self._joins = mixed.round + 1, False
        with self._telling:
            if not self._over:
                self._checkpoint = replace(
                    self._checkpoint,
                    completed=done,
                    params=mixed.params,
                    progress=Progress(joined=done),
                    course=Course(joined=done),
                )
                self._keep(events.Joined(done, min(mixed.weights), self.digest()))
        return None

    def _keep(self, told: AnyEvent) -> None:
        """Store the model, then write the line that tells of it."""
        line = self._log.line(told)
        if self._unlogged:
            self._unlogged.keep(self._checkpoint.completed, line)
        self._keeper.replaced(save_checkpoint(self._run, self._checkpoint, self._seal))
        self._log.append(line, told)


def failure(error: Exception | None, detail: str) -> events.Finish:
    """The last line of a life that an error ended."""
    match error:
        case DivergedError():
            reason = Reason.DIVERGED
        case BudgetSpent():
            reason = Reason.BUDGET
        case _:
            reason = Reason.ERROR
    return events.Finish(reason, None, detail)


def _spent(entry: Entry, budget: Budget) -> events.Spent:
    release = entry.release
    return events.Spent(
        round=entry.round,
        unit=entry.unit.value,
        epsilon=_short(entry.epsilon),
        budget=budget.epsilon,
        delta=budget.delta,
        payments=entry.number,
        noise=release.noise,
        rate=release.rate,
        steps=release.steps,
    )


def _short(value: float) -> float:
    return round(value, 6)

"""The event log of one peer as frozen values that a report counts with: rounds from 1, arrays, growing byte counters.

What a log may say is declared in `run.events`. A peer that was restarted appends to its log: a round that was done
twice counts once, the last time. Lines that cannot be read are kept beside, with their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import numpy.typing as npt

from p2pfl_me.report.reading import floats_of_base64
from p2pfl_me.run import events
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.reading import Unread, read_log

Counts = npt.NDArray[np.int64]
Sketch = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Metrics of one model on one set of clips. `confusion` has shape (K, K), rows are the true classes."""

    loss: float | None
    accuracy: float | None
    uf1: float | None
    uar: float | None
    macro_f1: float | None
    weighted_f1: float | None
    confusion: Counts | None

    def get(self, metric: str) -> float | None:
        """One of the numbers by its name: "uf1", "uar", "accuracy", ..."""
        value = getattr(self, metric)
        return value if isinstance(value, float) else None


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One completed round of one peer. Byte counters are cumulative over all the peer's lives.

    `round` is how many rounds are done with it: the report counts from 1, the log from 0. `seconds` are those since the
    peer's last start.
    """

    round: int
    loss: float | None
    steps: int
    train_seconds: float
    wait_seconds: float
    round_seconds: float
    seconds: float
    weights: Mapping[int, float]
    missing: Mapping[int, str]
    norm: float | None
    test: Scores | None
    validation: Scores | None
    sketch_trained: Sketch | None
    sketch_mixed: Sketch | None
    bytes_sent: int
    bytes_received: int

    def scores(self, part: str) -> Scores | None:
        """The scores on "test" or "validation"."""
        return self.test if part == "test" else self.validation


@dataclass(frozen=True, slots=True)
class PeerLog:
    """Everything one peer logged. `finish` is None when it ended without a word (killed, or still running).

    `sent` and `received` sum the counters with which its lives ended; those that were cut left none.
    """

    peer: int
    starts: tuple[events.Start, ...] = ()
    rounds: tuple[Round, ...] = ()
    links: tuple[events.Link, ...] = ()
    refusals: tuple[events.Refused, ...] = ()
    finish: events.Finish | None = None
    catch_ups: tuple[tuple[int, int], ...] = ()
    unread: tuple[Unread, ...] = ()
    sent: int = 0
    received: int = 0

    @property
    def last_round(self) -> int:
        """The last round it completed, 0 if none."""
        return self.rounds[-1].round if self.rounds else 0


def read_peer_log(folder: RunFolder, peer: int) -> PeerLog:
    """The log of one peer; an absent file is an empty log."""
    log = read_log(folder, peer)
    starts: list[events.Start] = []
    links: list[events.Link] = []
    refusals: list[events.Refused] = []
    catch_ups: list[tuple[int, int]] = []
    rounds: list[events.Round] = []
    finish: events.Finish | None = None
    sent = received = 0
    for line in log.events:
        match line.event:
            case events.Start() as start:
                starts.append(start)
                finish = None
            case events.Round() as done:
                rounds.append(done)
            case events.Link() as link if finish is None:
                links.append(link)
            case events.Refused() as refused:
                refusals.append(refused)
            case events.CatchUp(from_round=first, to_round=last):
                catch_ups.append((first + 1, last + 1))
            case events.Traffic() as traffic:
                sent += traffic.bytes_sent
                received += traffic.bytes_received
            case events.Finish():
                finish = line.event
            case events.Handed() | events.HandsOut():
                pass  # its last line says what that left of its rounds
            case events.Begin() | events.Trained() | events.Misbehaviour() | events.Link():
                pass  # links that go down after the end are the end's
            case _:
                assert_never(line.event)
    return PeerLog(
        peer=peer,
        starts=tuple(starts),
        rounds=_rounds(rounds),
        links=tuple(links),
        refusals=tuple(refusals),
        finish=finish,
        catch_ups=tuple(catch_ups),
        unread=log.unread,
        sent=sent,
        received=received,
    )


def scores_of(told: events.Scores | None) -> Scores | None:
    """Scores with their confusion matrix as an array; None if there are none."""
    if told is None:
        return None
    return Scores(
        loss=told.loss,
        accuracy=told.accuracy,
        uf1=told.uf1,
        uar=told.uar,
        macro_f1=told.macro_f1,
        weighted_f1=told.weighted_f1,
        confusion=_square(told.confusion),
    )


def _square(rows: events.Matrix | None) -> Counts | None:
    if not rows or any(len(row) != len(rows) or min(row) < 0 for row in rows):
        return None
    return np.array(rows, dtype=np.int64)


def _rounds(told: Iterable[events.Round]) -> tuple[Round, ...]:
    sent, received = _Counter(), _Counter()
    rounds: dict[int, Round] = {}
    for each in told:
        if each.round < 0:
            continue
        done = each.round + 1
        rounds[done] = Round(
            round=done,
            loss=each.loss,
            steps=each.steps,
            train_seconds=each.train_seconds,
            wait_seconds=each.wait_seconds,
            round_seconds=each.round_seconds,
            seconds=each.seconds,
            weights=each.weights,
            missing=each.missing,
            norm=each.norm,
            test=scores_of(each.test),
            validation=scores_of(each.validation),
            sketch_trained=floats_of_base64(each.sketch_trained),
            sketch_mixed=floats_of_base64(each.sketch_mixed),
            bytes_sent=sent.add(each.bytes_sent),
            bytes_received=received.add(each.bytes_received),
        )
    return tuple(rounds[index] for index in sorted(rounds))


class _Counter:
    """Makes one growing count of a counter that starts again from zero when its process is restarted."""

    def __init__(self) -> None:
        self._earlier = 0
        self._last = 0

    def add(self, value: int) -> int:
        if value < self._last:
            self._earlier += self._last
        self._last = value
        return self._earlier + value

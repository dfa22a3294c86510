"""The event log of one peer, `peer-K.jsonl`, as frozen values.

A field that is missing or malformed becomes None or empty, so that a run cut short still reads. A peer that was
restarted appends to its log: a round that was done twice counts once, the last time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from p2pfl_me.report.reading import (
    Json,
    by_peer,
    counts,
    floats_of_base64,
    json_lines,
    mapping,
    number,
    text,
    whole,
)

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
    steps: int | None
    train_seconds: float | None
    wait_seconds: float | None
    round_seconds: float | None
    seconds: float | None
    weights: Mapping[int, float]
    missing: Mapping[int, str]
    norm: float | None
    test: Scores | None
    validation: Scores | None
    sketch_trained: Sketch | None
    sketch_mixed: Sketch | None
    bytes_sent: int | None
    bytes_received: int | None
    digest: str

    def scores(self, part: str) -> Scores | None:
        """The scores on "test" or "validation"."""
        return self.test if part == "test" else self.validation


@dataclass(frozen=True, slots=True)
class Start:
    """What a peer said of itself when it started."""

    version: str
    contract_digest: str
    layout_digest: str
    parameters: int | None
    device: str
    train: int | None
    validation: int | None
    test: int | None
    subjects: int | None
    drawn: int | None
    classes: Mapping[str, int]
    resumed_round: int | None


@dataclass(frozen=True, slots=True)
class LinkChange:
    """A link of this peer went up or down, or the neighbour left, was refused or quarantined."""

    neighbour: int | None
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A frame that was refused; `neighbour` is None when its sender is unknown."""

    neighbour: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Why a peer ended: "rounds", "patience", "stopped" or "error"."""

    reason: str
    rounds: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class PeerLog:
    """Everything one peer logged. `finish` is None when it ended without a word (killed, or still running).

    `sent` and `received` sum the counters with which its lives ended; those that were cut left none.
    """

    peer: int
    starts: tuple[Start, ...] = ()
    rounds: tuple[Round, ...] = ()
    links: tuple[LinkChange, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    finish: Finish | None = None
    catch_ups: tuple[tuple[int, int], ...] = ()
    unreadable: int = 0
    sent: int = 0
    received: int = 0

    @property
    def last_round(self) -> int:
        """The last round it completed, 0 if none."""
        return self.rounds[-1].round if self.rounds else 0


def read_peer_log(path: Path, peer: int) -> PeerLog:
    """The log of one peer; an absent file is an empty log."""
    events, unreadable = json_lines(path)
    starts: list[Start] = []
    links: list[LinkChange] = []
    refusals: list[Refusal] = []
    catch_ups: list[tuple[int, int]] = []
    raw_rounds: list[Json] = []
    finish: Finish | None = None
    sent = received = 0
    for event in events:
        kind = event.get("event")
        if kind == "start":
            starts.append(_start(event))
            finish = None
        elif kind == "round":
            raw_rounds.append(event)
        elif kind == "link" and finish is None:
            links.append(_link(event))
        elif kind == "refused":
            refusals.append(Refusal(whole(event.get("neighbour")), text(event.get("reason"))))
        elif kind == "catch_up":
            first, last = whole(event.get("from_round")), whole(event.get("to_round"))
            if first is not None and last is not None:
                catch_ups.append((first + 1, last + 1))
        elif kind == "traffic":
            sent += whole(event.get("bytes_sent")) or 0
            received += whole(event.get("bytes_received")) or 0
        elif kind == "finish":
            finish = Finish(text(event.get("reason")), whole(event.get("rounds")), text(event.get("detail")))
    return PeerLog(
        peer=peer,
        starts=tuple(starts),
        rounds=_rounds(raw_rounds),
        links=tuple(links),
        refusals=tuple(refusals),
        finish=finish,
        catch_ups=tuple(catch_ups),
        unreadable=unreadable,
        sent=sent,
        received=received,
    )


def scores_of(value: object) -> Scores | None:
    """Scores from their JSON form; None if there is none."""
    fields = mapping(value)
    if not fields:
        return None
    return Scores(
        loss=number(fields.get("loss")),
        accuracy=number(fields.get("accuracy")),
        uf1=number(fields.get("uf1")),
        uar=number(fields.get("uar")),
        macro_f1=number(fields.get("macro_f1")),
        weighted_f1=number(fields.get("weighted_f1")),
        confusion=counts(fields.get("confusion")),
    )


def _start(event: Json) -> Start:
    data = mapping(event.get("data"))
    classes = {
        name: count for name, value in mapping(data.get("classes")).items() if (count := whole(value)) is not None
    }
    return Start(
        version=text(event.get("version")),
        contract_digest=text(event.get("contract_digest")),
        layout_digest=text(event.get("layout_digest")),
        parameters=whole(event.get("parameters")),
        device=text(event.get("device")),
        train=whole(data.get("train")),
        validation=whole(data.get("validation")),
        test=whole(data.get("test")),
        subjects=whole(data.get("subjects")),
        drawn=whole(data.get("drawn")),
        classes=classes,
        resumed_round=whole(event.get("resumed_round")),
    )


def _link(event: Json) -> LinkChange:
    return LinkChange(whole(event.get("neighbour")), text(event.get("state")), text(event.get("reason")))


def _rounds(events: Iterable[Json]) -> tuple[Round, ...]:
    sent, received = _Counter(), _Counter()
    rounds: dict[int, Round] = {}
    for event in events:
        index = whole(event.get("round"))
        if index is None or index < 0:
            continue
        done = index + 1
        rounds[done] = Round(
            round=done,
            loss=number(event.get("loss")),
            steps=whole(event.get("steps")),
            train_seconds=number(event.get("train_seconds")),
            wait_seconds=number(event.get("wait_seconds")),
            round_seconds=number(event.get("round_seconds")),
            seconds=number(event.get("seconds")),
            weights={
                peer: weight for peer, value in by_peer(event.get("weights")) if (weight := number(value)) is not None
            },
            missing={peer: text(reason) for peer, reason in by_peer(event.get("missing"))},
            norm=number(event.get("norm")),
            test=scores_of(event.get("test")),
            validation=scores_of(event.get("validation")),
            sketch_trained=floats_of_base64(event.get("sketch_trained")),
            sketch_mixed=floats_of_base64(event.get("sketch_mixed")),
            bytes_sent=sent.add(whole(event.get("bytes_sent"))),
            bytes_received=received.add(whole(event.get("bytes_received"))),
            digest=text(event.get("digest")),
        )
    return tuple(rounds[index] for index in sorted(rounds))


class _Counter:
    """Makes one growing count of a counter that starts again from zero when its process is restarted."""

    def __init__(self) -> None:
        self._earlier = 0
        self._last = 0

    def add(self, value: int | None) -> int | None:
        if value is None:
            return None
        if value < self._last:
            self._earlier += self._last
        self._last = value
        return self._earlier + value

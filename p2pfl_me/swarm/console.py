"""What a swarm shows: a live table on a terminal, one line a round when piped. It reads only the peers' event logs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from p2pfl_me.contract import Contract
from p2pfl_me.peer.console_log import suspicion

GOING = frozenset({"starting", "joining", "training"})
"""States of a peer that may conclude another round."""


class Tail:
    """Reads what has been added to a file of JSON lines, whole lines only."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._rest = path, 0, b""

    def events(self) -> Iterator[dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the line of a peer that was killed while it wrote
            if isinstance(event, dict):
                yield event


@dataclass(frozen=True)
class Concluded:
    """What a peer said of one round when it had concluded it."""

    loss: float | None
    scores: dict[str, float]
    sent: int


@dataclass(frozen=True)
class RoundNews:
    """A round that all who go on have concluded, counted from 1 to `rounds`; `peers` are those that took part.

    `stop()` ends the run as Ctrl-C would: every peer keeps its last round.
    """

    round: int
    rounds: int
    peers: Mapping[int, Concluded]
    stop: Callable[[], None] = field(repr=False)

    def mean(self, metric: str) -> float | None:
        """The mean over these peers of the training loss ("loss") or of a test score ("uf1", "uar", "accuracy")."""
        found = [each.loss if metric == "loss" else each.scores.get(metric) for each in self.peers.values()]
        known = [value for value in found if value is not None]
        return sum(known) / len(known) if known else None


Listener = Callable[[RoundNews], object]
"""Called after each round; what it returns is not looked at."""


@dataclass
class PeerView:
    """What is known of one peer so far; `rounds` are those that no line has told of yet, counted from 1."""

    state: str = "starting"
    begun: bool = False
    round: int = 0
    loss: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    up: set[int] = field(default_factory=set)
    sent: int = 0
    missed: int = 0
    suspects: dict[int, float] = field(default_factory=dict)
    """The neighbours that look wrong to this peer, with their misbehaviour scores."""
    rounds: dict[int, Concluded] = field(default_factory=dict)

    def take(self, event: dict[str, Any]) -> None:
        match event.get("event"):
            case "start":
                self.state = "joining"
            case "link":
                (self.up.add if event["state"] == "up" else self.up.discard)(event["neighbour"])
                self.begun = True
            case "trained":
                self.begun = True
                self.state, self.loss = "training", event["loss"]
            case "round":
                self.state, self.round = "training", event["round"] + 1
                self.loss, self.scores, self.sent = event["loss"], event["test"] or {}, event["bytes_sent"]
                self.missed += len(event["missing"])
                self.rounds[self.round] = Concluded(self.loss, self.scores, self.sent)
            case "misbehaviour":
                self.suspects = {peer: event["scores"][str(peer)] for peer in event["suspects"]}
            case "traffic":
                self.sent = event["bytes_sent"]
            case "finish":
                self.state = {"rounds": "done", "patience": "done"}.get(event["reason"], event["reason"])


class Console:
    """Lines for whoever starts a swarm; `stream` is a terminal or a pipe. `on_round` is told of each round."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False, on_round: Listener | None = None) -> None:
        self._stream = stream or sys.stdout
        self._quiet, self._on_round = quiet, on_round
        self.stopped = False
        """Whether a listener asked for the run's end."""
        self._begun = time.monotonic()

    def say(self, text: str) -> None:
        if not self._quiet:
            print(f"[{time.monotonic() - self._begun:6.1f} s] {text}", file=self._stream, flush=True)

    @contextmanager
    def watching(self, contract: Contract, run: Path, liars: Collection[int] = frozenset()) -> Iterator[Watch]:
        """Show the peers of a run while it goes on; scores in lines are of those who don't lie."""
        watch = self.following(contract, run, liars)
        if self._quiet:
            yield watch
        elif self._stream.isatty():
            from p2pfl_me.swarm.table import live_table

            with live_table(watch, self._stream):
                yield watch
                watch.settle()
        else:
            watch.on_round = self._line_and_news
            watch.on_say = self.say
            yield watch
            watch.settle()
            self.say(f"all peers have ended  {sum(view.sent for view in watch.peers.values()) / 1e6:.1f} MB out")

    def following(self, contract: Contract, run: Path, liars: Collection[int] = frozenset()) -> Watch:
        """A watch that shows nothing, and tells the listener of each round."""
        watch = Watch(contract, run, liars)
        watch.on_round = self._news
        return watch

    @property
    def listens(self) -> bool:
        """Whether anybody wants to be told of rounds."""
        return self._on_round is not None

    def concluded(self, contract: Contract, round: int, peers: Mapping[int, Concluded]) -> None:
        """Tell the listener of a round, counted from 1."""
        if self._on_round and peers and not self.stopped:
            self._on_round(RoundNews(round, contract.training.rounds, peers, self._stop))

    def _stop(self) -> None:
        self.stopped = True

    def _news(self, contract: Contract, round: int, peers: dict[int, PeerView]) -> None:
        self.concluded(
            contract, round, {peer: view.rounds[round] for peer, view in peers.items() if round in view.rounds}
        )

    def _line_and_news(self, contract: Contract, round: int, peers: dict[int, PeerView]) -> None:
        self._round_line(contract, round, peers)
        self._news(contract, round, peers)

    def _round_line(self, contract: Contract, round: int, peers: dict[int, PeerView]) -> None:
        there = [view.rounds[round] for view in peers.values() if round in view.rounds]
        if not there:
            return  # all peers jumped over it
        parts = [f"round {round:3d}/{contract.training.rounds}  {len(there)} peers"]
        for name, title in (("loss", "loss"), ("accuracy", "accuracy"), ("uf1", "UF1")):
            values = [each.loss if name == "loss" else each.scores.get(name) for each in there]
            known = [value for value in values if value is not None]
            if known:
                worst = max(known) if name == "loss" else min(known)
                parts.append(f"{title} {sum(known) / len(known):.3f} (worst {worst:.3f})")
        sent = sum(view.rounds.get(round, view).sent for view in peers.values())
        parts.append(f"{sent / 1e6:.1f} MB out")
        self.say("  ".join(parts))


class Watch:
    """Follows the event logs of a run."""

    def __init__(self, contract: Contract, run: Path, liars: Collection[int] = frozenset()) -> None:
        self.contract, self.liars = contract, liars
        self.peers = {peer: PeerView() for peer in range(contract.peers.count)}
        self.notes: list[str] = []
        self.on_round: Any = None
        self.on_say: Any = None
        self._tails = {peer: Tail(run / f"peer-{peer}.jsonl") for peer in self.peers}
        self._run = run
        self._told = 0

    def update(self) -> None:
        for peer, tail in self._tails.items():
            for event in tail.events():
                self.peers[peer].take(event)
                if event.get("event") == "misbehaviour":
                    for other in event["new"]:
                        self.say(f"peer {peer}: {suspicion(event, other)}")
        going = [view.round for view in self.peers.values() if view.state in GOING]
        reached = min(going) if going else max(view.round for view in self.peers.values())
        for round in range(self._told + 1, reached + 1):
            if self.on_round:
                honest = {peer: view for peer, view in self.peers.items() if peer not in self.liars}
                self.on_round(self.contract, round, honest)
            for view in self.peers.values():
                view.rounds.pop(round, None)
        self._told = max(self._told, reached)

    def settle(self) -> None:
        """All peers have ended: what a killed one has sent since its last round stands in its ledger alone."""
        self.update()
        for peer, view in self.peers.items():
            entries = Tail(self._run / f"egress-{peer}.jsonl").events()
            view.sent = max(view.sent, sum(entry.get("wire", 0) for entry in entries))

    def died(self, peer: int) -> None:
        """The peer's process has ended without a word in its log: no round waits for it any more."""
        if self.peers[peer].state in GOING:
            self.peers[peer].state = "dead"

    def never_began(self, peer: int) -> bool:
        """Whether the peer has neither met anyone nor trained."""
        return not self.peers[peer].begun

    def say(self, text: str) -> None:
        self.notes.append(text)
        if self.on_say:
            self.on_say(text)

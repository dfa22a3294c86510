"""What a command says while work goes on: a live table on a terminal, one line a round on a pipe or a dumb one."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from p2pfl_me.console.news import Listener, RoundNews
from p2pfl_me.console.watch import Concluded, PeerView, Watch
from p2pfl_me.contract import Contract
from p2pfl_me.counting import many
from p2pfl_me.output import put, redraws
from p2pfl_me.progress import Progress, showing


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
            put(f"[{time.monotonic() - self._begun:6.1f} s] {text}", self._stream)

    @contextmanager
    def showing(self, *what: str) -> Iterator[tuple[Progress, ...]]:
        """The progress of each `what`, as `progress.showing`; a quiet command shows none."""
        if self._quiet:
            yield tuple(_unseen for _ in what)
            return
        with showing(*what, stream=self._stream) as shown:
            yield shown

    def complain(self, text: str) -> None:
        """Why something failed: of that nobody wants to hear nothing."""
        if self._quiet:
            put(text, sys.stderr)
        else:
            self.say(text)

    @contextmanager
    def watching(self, contract: Contract, run: Path, liars: Collection[int] = frozenset()) -> Iterator[Watch]:
        """Show the peers of a run while it goes on; scores in lines are of those who don't lie."""
        watch = self.following(contract, run, liars)
        if self._quiet:
            yield watch
        elif redraws(self._stream):
            from p2pfl_me.console.table import live_table

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
        parts = [f"round {round:3d}/{contract.training.rounds}  {many(len(there), 'peer')}"]
        for name, title in (("loss", "loss"), ("accuracy", "accuracy"), ("uf1", "UF1")):
            values = [each.loss if name == "loss" else each.scores.get(name) for each in there]
            known = [value for value in values if value is not None]
            if known:
                worst = max(known) if name == "loss" else min(known)
                parts.append(f"{title} {sum(known) / len(known):.3f} (worst {worst:.3f})")
        sent = sum(view.rounds.get(round, view).sent for view in peers.values())
        parts.append(f"{sent / 1e6:.1f} MB out")
        self.say("  ".join(parts))


def _unseen(done: int, total: int) -> None:
    """How far a quiet command has come."""

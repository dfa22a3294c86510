"""A run as a page shows it, from its folder alone, while it goes on or afterwards: what `state.json` holds.

Logs are read as they grow. Rounds count from 1 here, as on all pages.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from p2pfl_me.console.status import GOING, Account, PeerStatus
from p2pfl_me.console.words import in_words
from p2pfl_me.contract import Contract, load_contract
from p2pfl_me.errors import P2pmeError, RunError
from p2pfl_me.learning.origin import network_as_told
from p2pfl_me.run import events
from p2pfl_me.run.codec import Logged
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.manifest import read_manifest_file
from p2pfl_me.run.reading import Tail
from p2pfl_me.topology.graph import graph_of
from p2pfl_me.topology.layout import DRAWN_LINKS, places

MOST_POINTS = 240
"""Of a curve: more could not be told apart on a screen."""
MOST_EVENTS = 200


class _Peer:
    """One peer's log, as far as it was read."""

    def __init__(self, folder: RunFolder, peer: int, rounds: int) -> None:
        self.tail, self.account = Tail(folder, peer), Account(peer, rounds)
        self.curve: list[tuple[int, float | None, float | None]] = []
        """(round, UF1, loss)"""
        self.trained = 0
        """The last round whose training is done."""
        self.warnings: dict[str, None] = {}
        self.network = ""

    def take(self, line: Logged) -> None:
        self.account.take(line)
        told = line.event
        if isinstance(told, events.Start):
            self.warnings |= dict.fromkeys(told.data.warnings)
            self.network = told.data.network or self.network
        if isinstance(told, events.Trained | events.Round):
            self.trained = max(self.trained, told.round + 1)
        if isinstance(told, events.Round):
            self.curve.append((told.round + 1, told.test.uf1 if told.test else None, told.loss))


class RunView:
    """What is known of a run by now. Not for two threads at once.

    Raises
    ------
    RunError
        Not a run folder.
    ContractError
        Its contract cannot be read.
    """

    def __init__(self, run: Path) -> None:
        self._folder = RunFolder(run)
        if not self._folder.is_run():
            raise RunError("not a run folder: it holds no contract.yaml", where=str(run), fix="name the DIR of --out")
        self._peers: dict[int, _Peer] = {}
        self._said: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._seen = 0
        self.contract: Contract
        self._look()

    def _look(self) -> None:
        """Read the contract, where the members have come to another one."""
        seen = self._folder.contract.stat().st_mtime_ns
        if seen == self._seen:
            return
        self._seen, self.contract = seen, load_contract(self._folder.contract)
        rounds, present = self.contract.training.rounds, self.contract.peers.present
        for peer in range(self.contract.peers.count):
            self._peers.setdefault(peer, _Peer(self._folder, peer, rounds))
        graph = graph_of(self.contract)
        self._places: list[list[float] | None] = [None] * self.contract.peers.count
        for peer, (x, y) in zip(present, places(graph), strict=True):
            self._places[peer] = [round(float(x), 4), round(float(y), 4)]
        edges = sorted((present[a], present[b]) for a, b in graph.edges)
        self._edges = edges if len(edges) <= DRAWN_LINKS else []

    def update(self) -> None:
        """Look at what was added to the logs, and at the contract under which the run goes on."""
        with suppress(OSError, P2pmeError):  # it is being changed
            self._look()
        fresh: list[dict[str, Any]] = []
        for peer, known in self._peers.items():
            for line in known.tail.lines():
                known.take(line)
                if not isinstance(line.event, events.Round) and (words := in_words(line.event)):
                    fresh.append({"t": line.t, "peer": peer, "words": words})
        self._said.extend(sorted(fresh, key=lambda each: float(each["t"])))

    def state(self) -> dict[str, Any]:
        """For the page, as JSON has it."""
        statuses = {peer: known.account.status for peer, known in self._peers.items()}
        return {
            "name": self.contract.name,
            "graph": self.contract.topology.kind,
            "protocol": self.contract.gossip.protocol.kind,
            "network": self._network(),
            "rounds": self.contract.training.rounds,
            "going": any(status.state in GOING for status in statuses.values()),
            "warnings": self._warnings(),
            "places": self._places,
            "edges": self._edges,
            "peers": [{**asdict(status), "waits": self._waits(status, statuses)} for status in statuses.values()],
            "curves": [
                {"peer": peer, "points": _thinned(known.curve)} for peer, known in self._peers.items() if known.curve
            ],
            "events": list(self._said)[::-1],
        }

    def _waits(self, status: PeerStatus, all: dict[int, PeerStatus]) -> list[int]:
        """The neighbours whose training of this round a peer waits for, as far as their logs are here."""
        mine = self._peers[status.peer].trained
        if status.state != "training" or mine <= status.round:
            return []
        there = {each.peer for each in status.neighbours if each.state in {"up", "suspect"}}
        return sorted(peer for peer in there if all[peer].seen is not None and self._peers[peer].trained < mine)

    def _network(self) -> str:
        """What it is, and where the weights come from that nobody trains here."""
        manifest = read_manifest_file(self._folder)
        if manifest and manifest.network:
            return manifest.network
        by_logs = (known.network for known in self._peers.values())
        return network_as_told(self.contract, by_logs, of_vectors=bool(manifest and manifest.clips.vectors_alone))

    def _warnings(self) -> list[str]:
        """Why its scores are no measure of recognition; of peers that run elsewhere, by their logs."""
        manifest = read_manifest_file(self._folder)
        by_logs = dict.fromkeys(words for known in self._peers.values() for words in known.warnings)
        return list((manifest.said_warnings if manifest else ()) or by_logs)


def _thinned(points: list[tuple[int, float | None, float | None]]) -> list[tuple[int, float | None, float | None]]:
    """At most `MOST_POINTS`, the first and the last among them."""
    if len(points) <= MOST_POINTS:
        return points
    step = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(index * step)] for index in range(MOST_POINTS)]

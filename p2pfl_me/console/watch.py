"""Follows the event logs of a run while it goes on: what is known of each peer, and of each round."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from p2pfl_me.console.standing import AHEAD, Standing
from p2pfl_me.console.words import suspicion
from p2pfl_me.contract import Contract
from p2pfl_me.run import events
from p2pfl_me.run.events import AnyEvent, LinkState, Reason, Scores
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.ledger import read_ledger
from p2pfl_me.run.reading import Tail

GOING = AHEAD | {"starting"}
"""States of a peer that may conclude another round."""
_DONE = frozenset({Reason.ROUNDS, Reason.TIME, Reason.WORK, Reason.PATIENCE})
WELL = frozenset({"done", Reason.HANDED.value, Reason.LEFT.value, "hands out"})
"""States of a peer that has ended by its contract."""


@dataclass(frozen=True)
class Concluded:
    """What a peer said of one round when it had concluded it."""

    loss: float | None
    scores: Scores
    sent: int


@dataclass
class PeerView(Standing):
    """What is known of one peer so far; `rounds` are those that no line has told of yet, counted from 1."""

    state: str = "starting"
    begun: bool = False
    loss: float | None = None
    scores: Scores = field(default_factory=Scores)
    up: set[int] = field(default_factory=set)
    missed: int = 0
    suspects: dict[int, float] = field(default_factory=dict)
    """The neighbours that look wrong to this peer, with their misbehaviour scores."""
    rounds: dict[int, Concluded] = field(default_factory=dict)

    def take(self, event: AnyEvent) -> None:
        """One more event of its log."""
        super().take(event)
        match event:
            case events.Link():
                (self.up.add if event.state is LinkState.UP else self.up.discard)(event.neighbour)
                self.begun = True
            case events.Trained():
                self.begun, self.loss = True, event.loss
            case events.Round():
                self.loss, self.scores = event.loss, event.test or Scores()
                self.missed += len(event.missing)
                self.rounds[self.round] = Concluded(self.loss, self.scores, self.sent)
            case events.Misbehaviour():
                self.suspects = {peer: event.scores[peer] for peer in event.suspects}
            case events.Finish():
                self.state = "done" if event.reason in _DONE else self.state
            case events.Start() | events.Traffic() | events.Joined() | events.Handed() | events.HandsOut():
                pass  # where it stands
            case events.Sighted() | events.Unreachable() | events.Starved():
                pass  # for whoever runs the one peer
            case (
                events.View()
                | events.Changed()
                | events.Undecided()
                | events.Refused()
                | events.Spent()
                | events.ForReports()
            ):
                pass
            case _:
                assert_never(event)


class Watch:
    """All peers of a run. `on_round` is told of each round that all who go on have concluded, `on_say` of notes."""

    def __init__(self, contract: Contract, run: Path, liars: Collection[int] = frozenset()) -> None:
        self.contract, self.liars = contract, liars
        self.peers = {peer: PeerView() for peer in range(contract.peers.count)}
        self.notes: list[str] = []
        self.on_round: Callable[[Contract, int, dict[int, PeerView]], None] | None = None
        self.on_say: Callable[[str], None] | None = None
        self._folder = RunFolder(run)
        self._tails = {peer: Tail(self._folder, peer) for peer in self.peers}
        self._told = 0

    def update(self) -> None:
        """Look at what has been added to the logs."""
        for peer, tail in self._tails.items():
            for event in tail.events():
                self.peers[peer].take(event)
                if isinstance(event, events.Misbehaviour):
                    for other in event.new:
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
            view.sent = max(view.sent, sum(sent.wire for sent in read_ledger(self._folder.ledger(peer))))

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

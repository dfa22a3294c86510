"""A minimal in-process host for protocol cores: virtual clock, seeded delays, losses and crashes, no sockets.

It replays exactly from its seed. The product's own simulator is a richer host of the same cores.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.protocol import Action, Finish, Mixed, Send, SetTimer, Train
from p2pfl_me.gossip.settings import Settings
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Message, Vector

Row = Mapping[int, float]


@dataclass
class Faults:
    latency: Callable[[random.Random], float] = lambda rng: rng.uniform(0.001, 0.1)
    training: Callable[[random.Random, int], float] = lambda rng, peer: rng.uniform(0.5, 1.5)
    loss: float = 0.0
    duplication: float = 0.0
    crashes: tuple[tuple[float, int, float | None], ...] = ()
    """(when, peer, when it comes back or None)"""


@dataclass
class Outcome:
    mixed: dict[tuple[int, int], Mixed] = field(default_factory=dict)
    """(peer, round) -> the last Mixed of that round"""
    trained: dict[tuple[int, int], Vector] = field(default_factory=dict)
    finished: dict[int, Finish] = field(default_factory=dict)
    params: dict[int, Vector] = field(default_factory=dict)
    finished_at: float = 0.0


class Driver:
    def __init__(
        self,
        rows: Mapping[int, Row] | Callable[[int], Mapping[int, Row]],
        settings: Settings,
        *,
        seed: int = 0,
        size: int = 4,
        faults: Faults | None = None,
        validation: Callable[[int, int], float | None] = lambda peer, round: None,
    ) -> None:
        """`rows` of one graph, or round -> rows of a graph that changes; then everyone is linked with everyone."""
        self.rows, self.settings, self.faults = rows, settings, faults or Faults()
        self.rows_at = rows if callable(rows) else lambda round: rows
        everyone = self.rows_at(0)
        self.met = {
            peer: tuple(other for other in everyone if other != peer) if callable(rows) else tuple(rows[peer])
            for peer in everyone
        }
        self.rng = random.Random(seed)
        self.size, self.validation = size, validation
        self.queue: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.last_arrival: dict[tuple[int, int], float] = defaultdict(float)
        self.cores: dict[int, DPSGD] = {}
        self.life: dict[int, int] = defaultdict(int)
        """Counts restarts; what was meant for an earlier life is lost."""
        self.saved: dict[int, tuple[int, Vector, Progress]] = {}
        self.outcome = Outcome()
        self.now = 0.0

    def run(self, until: float = 1e5) -> Outcome:
        for peer in self.met:
            self.boot(peer)
        for when, peer, back in self.faults.crashes:
            self.at(when, lambda peer=peer: self.crash(peer))
            if back is not None:
                self.at(back, lambda peer=peer: self.boot(peer))
        while self.queue:
            when, _, action = heapq.heappop(self.queue)
            if when > until:
                break
            self.now = when
            action()
        return self.outcome

    def at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (when, next(self.order), action))

    def boot(self, peer: int) -> None:
        completed, params, progress = self.saved.get(peer, (0, np.zeros(self.size, np.float32), Progress()))
        core = DPSGD(
            peer,
            lambda round: self.rows_at(round)[peer],
            self.met[peer],
            params,
            self.settings,
            completed=completed,
            progress=progress,
        )
        self.cores[peer] = core
        self.perform(peer, core.start(self.now))
        for other in self.met[peer]:
            if other in self.cores:
                self.link(peer, other, True)
                self.link(other, peer, True)

    def crash(self, peer: int) -> None:
        if self.cores.pop(peer, None) is None:
            return
        self.life[peer] += 1
        for other in self.met[peer]:
            if other in self.cores:
                self.link(other, peer, False)
                self.last_arrival[other, peer] = 0.0

    def link(self, peer: int, other: int, up: bool) -> None:
        life = self.life[peer]
        self.later(peer, life, self.arrival(other, peer), lambda core: core.on_peer(self.now, other, up))

    def arrival(self, sender: int, to: int) -> float:
        """In order per direction, as the real links deliver."""
        when = max(self.now + self.faults.latency(self.rng), self.last_arrival[sender, to])
        self.last_arrival[sender, to] = when
        return when

    def later(self, peer: int, life: int, when: float, call: Callable[[DPSGD], list[Action]]) -> None:
        def run() -> None:
            if self.life[peer] == life and peer in self.cores:
                self.perform(peer, call(self.cores[peer]))

        self.at(when, run)

    def perform(self, peer: int, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(to, message):
                    self.send(peer, to, message)
                case SetTimer(timer, round, at):
                    self.later(peer, self.life[peer], at, lambda core, t=timer, r=round: core.on_timer(self.now, t, r))
                case Train(round, params):
                    self.train(peer, round, params)
                case Mixed():
                    self.outcome.mixed[peer, action.round] = action
                    self.outcome.params[peer] = action.params
                    core = self.cores[peer]
                    loss = self.validation(peer, action.round)
                    following = core.on_evaluated(self.now, loss)
                    self.saved[peer] = (action.round + 1, action.params, core.progress)
                    self.perform(peer, following)
                case Finish():
                    self.outcome.finished[peer] = action
                    self.outcome.finished_at = self.now
                    self.crash(peer)  # its process ends; what it has sent still arrives before the link goes down

    def train(self, peer: int, round: int, params: Vector) -> None:
        trained = params + step_of(peer, round, self.size)
        self.outcome.trained[peer, round] = trained
        when = self.now + self.faults.training(self.rng, peer)
        self.later(peer, self.life[peer], when, lambda core: core.on_trained(self.now, trained))

    def send(self, sender: int, to: int, message: Message) -> None:
        copies = 1 + (self.rng.random() < self.faults.duplication)
        for _ in range(copies):
            if self.rng.random() < self.faults.loss or to not in self.cores:
                continue
            life = self.life[to]
            arrival = self.arrival(sender, to)
            self.later(to, life, arrival, lambda core: core.on_message(self.now, sender, message))


def step_of(peer: int, round: int, size: int) -> Vector:
    """What training adds to a peer's model in a round."""
    return np.random.default_rng([peer, round]).normal(size=size).astype(np.float32)

"""The event simulator: drives many cores on one clock, through the simulated network and its faults.

It feeds a core exactly what the real host (`peer.host`) feeds it. Computing is separate from its virtual time: training
is done for real at the instant when it ends on the virtual clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from p2pfl_me.choice import derive_seed
from p2pfl_me.errors import P2pmeError
from p2pfl_me.gossip.protocol import Action, Began, Finish, Leave, Mixed, Refuse, Send, SetTimer, Timer, Train
from p2pfl_me.gossip.protocol import Protocol as Core
from p2pfl_me.gossip.turning import TURNED
from p2pfl_me.message import Kind, Message, Vector
from p2pfl_me.peer.duty import Work
from p2pfl_me.run import events
from p2pfl_me.run.events import LinkState
from p2pfl_me.simulation.clock import Clock
from p2pfl_me.simulation.faults import FaultModel
from p2pfl_me.simulation.network import Network
from p2pfl_me.wire.codec import Schema


@dataclass(frozen=True, slots=True)
class Life:
    """One run of one peer, from its start to its end or crash."""

    core: Core
    work: Work


class Simulation:
    """A swarm on a virtual clock.

    Parameters
    ----------
    boot:
        peer -> its core and work, fresh or from the last round it concluded.
    neighbours:
        peer -> everyone to whom it holds a link.
    seed:
        Everything that chance decides follows from it: equal seeds give equal runs.
    """

    def __init__(
        self,
        boot: Callable[[int], Life],
        neighbours: Mapping[int, Iterable[int]],
        faults: FaultModel,
        schema: Schema,
        *,
        clock: Clock,
        seed: int = 0,
        sealed: bool = False,
    ) -> None:
        self.clock, self.faults = clock, faults
        self._boot, self._neighbours = boot, {peer: tuple(others) for peer, others in neighbours.items()}
        self._compute = {peer: Random(derive_seed(seed, "compute", peer)) for peer in self._neighbours}
        random = Random(derive_seed(seed, "network"))
        self.network = Network(clock, faults, random, schema, seed=seed, sealed=sealed)
        self.finished: dict[int, Finish] = {}
        self.failed: dict[int, P2pmeError] = {}
        self.begun: dict[int, int] = {}
        """peer -> the round that it has begun to train last."""
        self._lives: dict[int, Life] = {}
        self._born: dict[int, int] = defaultdict(int)
        self._counted: dict[int, tuple[int, int]] = {}
        self._staying: dict[int, Finish] = {}
        """Those who are done, and stay for others."""

    def run(self, until: float = float("inf")) -> bool:
        """Run to the end, or to `until` seconds; False if something is still to come then."""
        self.network.attach(self)
        for peer in self._neighbours:
            self.clock.at(self.faults.late.get(peer, 0.0), partial(self._start, peer))
        for crash in self.faults.crashes:
            self.clock.at(crash.at, partial(self._crash, crash.peer))
            if crash.back is not None:
                self.clock.at(crash.back, partial(self._start, crash.peer))
        if self.faults.stop_s is not None:
            self.clock.at(self.faults.stop_s, self._stop)
        return self.clock.run(until)

    @property
    def running(self) -> frozenset[int]:
        return frozenset(self._lives)

    # -- the network's handlers -----------------------------------------------------------------------------------

    def on_message(self, to: int, sender: int, message: Message) -> None:
        if message.kind is Kind.LEAVE and (life := self._lives.get(to)):
            life.work.note(events.Link(sender, LinkState.LEFT))
        self._feed(to, lambda core: core.on_message(self.clock.now, sender, message))

    def on_link(self, to: int, peer: int, up: bool) -> None:
        self._lives[to].work.note(events.Link(peer, LinkState.UP if up else LinkState.DOWN))
        self._feed(to, lambda core: core.on_peer(self.clock.now, peer, up))

    def on_refused(self, to: int, sender: int, reason: str) -> None:
        self._lives[to].work.note(events.Refused(sender, reason))

    def on_told(self, to: int, sender: int, data: bytes) -> None:
        """Where no contract changes, nobody tells of it."""

    def on_differing(self, to: int, other: int) -> None:
        """Where no contract changes, all have the same."""

    # -- lives ----------------------------------------------------------------------------------------------------

    def _start(self, peer: int) -> None:
        if peer in self._lives or peer in self.finished or peer in self.faults.absent:
            return
        self._born[peer] += 1
        self._lives[peer] = life = self._boot(peer)
        self._counted[peer] = self.network.sent[peer], self.network.received[peer]
        self._enter(peer)
        self._perform(peer, life.core.start(self.clock.now))

    def _enter(self, peer: int) -> None:
        self.network.join(peer, self._neighbours[peer])

    def _crash(self, peer: int) -> None:
        self._staying.pop(peer, None)
        if self._lives.pop(peer, None):
            self.network.leave(peer, orderly=False)

    def _stop(self) -> None:
        for peer in sorted(self._lives):
            self._feed(peer, lambda core: core.on_stop(self.clock.now))

    def _end(self, peer: int, finish: Finish | None, error: P2pmeError | None) -> None:
        life = self._lives.pop(peer)
        if finish:
            self.finished[peer] = finish
        if error:
            self.failed[peer] = error
        self.network.leave(peer, orderly=True)
        life.work.finished(finish, error)

    # -- feeding the cores ----------------------------------------------------------------------------------------

    def _feed(self, peer: int, call: Callable[[Core], list[Action]]) -> None:
        if life := self._lives.get(peer):
            self._perform(peer, call(life.core))

    def _perform(self, peer: int, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Send(to, message):
                    self.network.send(peer, to, message)
                case SetTimer(timer, round, at):
                    self._later(peer, at, partial(self._ring, timer, round))
                case Began(missing):
                    self._lives[peer].work.note(events.Begin(tuple(sorted(missing))))
                case Train(round, params):
                    self.begun[peer] = round
                    low, high = self.faults.compute_s
                    seconds = self._compute[peer].uniform(low, high) * self.faults.slow.get(peer, 1.0)
                    self._later(peer, self.clock.now + seconds, partial(self._train, round, params, seconds))
                case Mixed():
                    seconds = self.faults.evaluate_s * self.faults.slow.get(peer, 1.0)
                    self._later(peer, self.clock.now + seconds, partial(self._conclude, peer, action))
                case Refuse(sender, reason):
                    self.on_refused(peer, sender, reason)
                case Finish() if action.stays_s:
                    self._staying[peer] = action
                    self._later(peer, self.clock.now + action.stays_s, self._leave)
                case Finish() if action.reason == TURNED:
                    self._turn(peer, action)
                case Finish():
                    self._end(peer, action, None)
                case Leave():
                    self._end(peer, self._staying.pop(peer), None)

    def _turn(self, peer: int, finish: Finish) -> None:
        """Its contract has changed: another life goes on from here."""
        raise ValueError("a simulation without changes has one contract")

    def _leave(self, life: Life) -> list[Action]:
        """One that was done has stayed long enough."""
        return [Leave()]

    def _ring(self, timer: Timer, round: int, life: Life) -> list[Action]:
        return life.core.on_timer(self.clock.now, timer, round)

    def _train(self, round: int, params: Vector, seconds: float, life: Life) -> list[Action]:
        return life.core.on_trained(self.clock.now, life.work.train(round, params, seconds))

    def _conclude(self, peer: int, mixed: Mixed, life: Life) -> list[Action]:
        sent, received = self._counted[peer]
        loss = life.work.conclude(mixed, self.network.sent[peer] - sent, self.network.received[peer] - received)
        return life.core.on_evaluated(self.clock.now, loss)

    def _later(self, peer: int, when: float, call: Callable[[Life], list[Action]]) -> None:
        """Something that only this life of the peer will see."""
        born = self._born[peer]

        def run() -> None:
            life = self._lives.get(peer)
            if life is None or self._born[peer] != born:
                return
            try:
                self._perform(peer, call(life))
            except P2pmeError as error:
                for action in life.core.on_stop(self.clock.now):
                    if isinstance(action, Send):
                        self.network.send(peer, action.to, action.message)
                self._end(peer, None, error)

        self.clock.at(when, run)

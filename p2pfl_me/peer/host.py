"""The asyncio host of a protocol core: carries out its actions with links, timers and one training thread.

The core is fed one input at a time, in the order in which things happen. Training and evaluation run in a worker
thread, so links, heartbeats and mailboxes stay awake.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar, assert_never

from p2pfl_me.errors import P2pmeError
from p2pfl_me.gossip.protocol import Action, Began, Finish, Leave, Mixed, Refuse, Send, SetTimer, Timer, Train
from p2pfl_me.gossip.protocol import Protocol as Core
from p2pfl_me.gossip.turning import TURNED
from p2pfl_me.message import Kind, Message
from p2pfl_me.peer.changing import Changing
from p2pfl_me.peer.duty import Work
from p2pfl_me.peer.misbehaviour import SUSPECT, MisbehaviourScores
from p2pfl_me.peer.refusals import Refusals
from p2pfl_me.run import events
from p2pfl_me.run.events import AnyEvent, LinkState
from p2pfl_me.wire.endpoint import Agrees, Differs, News, Sighted, Starved, Unreachable

T = TypeVar("T")

PART_S = 10.0
"""How long a finished peer stays until its neighbours have read its last words."""
STOPPED_PART_S = 0.5
"""The same for one that its user stops, or that failed."""


class Links(Protocol):
    """What the host needs of `wire.links.Links`."""

    async def start(self) -> None: ...

    @property
    def bytes_sent(self) -> int: ...
    @property
    def bytes_received(self) -> int: ...
    @property
    def unreachable(self) -> Mapping[int, str]: ...
    def send(self, peer: int, message: Message) -> bool: ...
    def quarantine(self, peer: int) -> None: ...
    def tell(self, peer: int, data: bytes) -> None: ...
    async def part(self, timeout_s: float) -> bool: ...
    async def close(self) -> None: ...


class Host:
    """Runs one core to its end.

    `run` returns the core's reason to finish. A worker's error (NaN weights, a full disk) ends the peer: its
    neighbours are told, the log says why, and the error is raised to the caller.
    """

    def __init__(
        self,
        core: Core,
        work: Work,
        connect: Callable[[Host], Links],
        neighbours: Collection[int] = (),
        patience_s: float = 0.0,
    ) -> None:
        self._core = core
        self._work = work
        self._links = connect(self)
        self._inputs: deque[Callable[[float], list[Action]]] = deque()
        self._feeding = False
        self._misbehaviour = MisbehaviourScores()
        self._timers: list[asyncio.TimerHandle] = []
        self._finish: asyncio.Future[Finish] | None = None
        self._released = asyncio.Event()
        self._goes_on: Finish | None = None
        self._failed_late: Exception | None = None
        """What went wrong when all rounds were done."""
        self._round = -1
        self.changing: Changing | None = None
        """What this peer is told of changes of its contract, if they can be."""
        self._refusals = Refusals(neighbours, patience_s, lambda words: self.note(events.Refused(None, words)))
        self.met: set[int] = set()
        """Neighbours with whom there has been a link."""
        self._left: set[int] = set()
        """Those who have said goodbye over the link that is up."""
        self.unreachable: Mapping[int, str] = {}
        """At the end: those whom this peer called in vain, with address and reason."""

    async def run(self) -> Finish:
        links = self._links
        self._finish = asyncio.get_running_loop().create_future()
        try:
            await links.start()
            self._feed(self._core.start)
            if self.changing:
                self._doing(self.changing.begin)
            finish = await self._finish
            if finish.stays_s:
                finish = await self._stay(finish) or finish
            await links.part(PART_S if finish.reason != "stopped" else STOPPED_PART_S)
            return finish
        except P2pmeError as error:
            await self._leave(error)
            raise
        finally:
            for timer in self._timers:
                timer.cancel()
            self.unreachable = dict(links.unreachable)
            await links.close()
            # What the rounds say was read before their own answers had left.
            with suppress(P2pmeError):  # a full disk: what failed, or the log's last line, tells it
                self._work.note(events.Traffic(links.bytes_sent, links.bytes_received))

    async def _stay(self, finish: Finish) -> Finish | None:
        """A peer that is done answers those who come back, for a while; or goes on, under a changed contract; or gets a
        better model meanwhile. How it ends then, if not as `finish` says."""
        self.note(events.HandsOut(finish.stays_s))
        with suppress(TimeoutError):
            await asyncio.wait_for(self._released.wait(), finish.stays_s)
        if self._failed_late:
            raise self._failed_late
        return self._goes_on

    def stop(self) -> None:
        """The user stops the peer: say goodbye to the neighbours and finish."""
        self._feed(self._core.on_stop)

    # -- handlers of the links ----------------------------------------------------------------------------------

    def on_message(self, peer: int, message: Message) -> None:
        if message.params is not None:
            self._misbehaviour.heard(peer, message.params)
        if message.kind is Kind.LEAVE and peer not in self._left:
            self._left.add(peer)
            self.note(events.Link(peer, LinkState.LEFT))
        self._feed(lambda now: self._core.on_message(now, peer, message))

    def on_link(self, peer: int, up: bool, reason: str) -> None:
        if up:
            self.met.add(peer)
            self._left.discard(peer)
        self.note(events.Link(peer, LinkState.UP if up else LinkState.DOWN, reason))
        if self.changing:
            self._doing(partial(self.changing.linked, peer, up=up))
        self._feed(lambda now: self._core.on_peer(now, peer, up))

    def on_refused(self, peer: int | None, reason: str) -> None:
        self.note(events.Refused(peer, reason))
        if peer is not None and self._misbehaviour.refused(time.monotonic(), peer):
            self.note(events.Link(peer, LinkState.QUARANTINED, "too many refused frames"))
            self._links.quarantine(peer)

    def on_news(self, news: News) -> None:
        match news:
            case Sighted(peer, silent, by, heard):
                self.note(events.Sighted(peer, silent, by, heard))
            case Unreachable(peer, why):
                self.note(events.Unreachable(peer, why))
            case Starved(seconds):
                self.note(events.Starved(round(seconds, 3)))
            case Differs() if self._follows or self.met:
                pass  # it goes on under a change once its round is over; or has had company
            case Differs():
                if error := self._refusals.take(time.monotonic(), news, may_change=self.changing is not None):
                    self._fail(error)
            case Agrees(peer):
                self._refusals.withdraw(peer)
            case _:
                assert_never(news)

    @property
    def _follows(self) -> bool:
        """Whether this peer is about to go on under a change on which the members have agreed."""
        return self.changing is not None and self.changing.agreed is not None

    def _note_misbehaviour(self, mixed: Mixed) -> None:
        found = self._misbehaviour.concluded(time.monotonic(), mixed)
        if found:
            suspects = [peer for peer, each in found.items() if each.score >= SUSPECT]
            self.note(
                events.Misbehaviour(
                    round=mixed.round,
                    scores={peer: round(each.score, 3) for peer, each in found.items()},
                    signs={peer: tuple(sign.value for sign in each.signs) for peer, each in found.items()},
                    suspects=tuple(suspects),
                    new=tuple(self._misbehaviour.newly(suspects)),
                )
            )

    def on_change(self, peer: int, data: bytes, differing: tuple[str, ...]) -> None:
        if self.changing:
            self._doing(partial(self.changing.heard, peer, data, differing))

    def look(self) -> None:
        """Whether there is news in the run folder."""
        if self.changing:
            self._doing(self.changing.look)

    def ring_view(self, round: int) -> None:
        """A change has been agreed to that holds from this round on."""
        self._feed(lambda now: self._core.on_timer(now, Timer.VIEW, round))

    def tell(self, peer: int, data: bytes) -> None:
        """Tell a neighbour of a change, if it is linked."""
        self._links.tell(peer, data)

    def on_failed(self, error: Exception) -> None:
        self._fail(error)

    def _doing(self, call: Callable[[], None]) -> None:
        try:
            call()
        except P2pmeError as error:  # a full disk
            self._fail(error)

    def note(self, event: AnyEvent) -> None:
        """Write an event down."""
        try:
            self._work.note(event)
        except P2pmeError as error:  # a full disk: this is a callback of the loop, which would print it and go on
            self._fail(error)

    # -- feeding the core -----------------------------------------------------------------------------------------

    def _feed(self, call: Callable[[float], list[Action]]) -> None:
        """Queue one input; carrying out an action may bring the next one, which must wait its turn."""
        self._inputs.append(call)
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._inputs:
                self._perform(self._inputs.popleft()(time.monotonic()))
        except P2pmeError as error:
            self._fail(error)
        finally:
            self._feeding = False

    def _perform(self, actions: Sequence[Action]) -> None:
        links = self._links
        for action in actions:
            match action:
                case Send(to, message):
                    links.send(to, message)
                case SetTimer(timer, round, at):
                    self._call_at(at, partial(self._core.on_timer, timer=timer, round=round))
                case Began(missing):
                    refused = None if self.met or self._follows else self._refusals.standing(time.monotonic())
                    if refused:  # by all: it would train alone, until its patience with that is over, too
                        self._fail(refused)
                        return
                    self.note(events.Begin(tuple(sorted(missing))))
                case Train(round, params):
                    self._note_jump(round)
                    self._in_worker(
                        partial(self._work.train, round, params),
                        lambda trained: self._feed(lambda now: self._core.on_trained(now, trained)),
                    )
                case Mixed():
                    self._note_misbehaviour(action)
                    self._in_worker(
                        partial(self._work.conclude, action, links.bytes_sent, links.bytes_received),
                        lambda loss: self._feed(lambda now: self._core.on_evaluated(now, loss)),
                    )
                case Refuse(peer, reason):
                    self.on_refused(peer, reason)
                case Finish():
                    if self._finish and not self._finish.done():
                        self._finish.set_result(action)
                    else:  # of one that stays: under another contract, or with a model that it got meanwhile
                        self._goes_on = action
                        if action.reason == TURNED:
                            self._released.set()
                case Leave():
                    self._released.set()

    def _note_jump(self, round: int) -> None:
        if self._round >= 0 and round > self._round + 1:
            self._work.note(events.CatchUp(self._round + 1, round))
        self._round = round

    def _call_at(self, at: float, call: Callable[[float], list[Action]]) -> None:
        loop = asyncio.get_running_loop()
        delay = max(0.0, at - time.monotonic())
        now = loop.time()
        self._timers = [timer for timer in self._timers if not timer.cancelled() and timer.when() > now]
        self._timers.append(loop.call_later(delay, lambda: self._feed(call)))

    def _in_worker(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Run `job` in a daemon thread: a peer that is told to stop never waits for a step to end."""
        loop = asyncio.get_running_loop()

        def post(call: Callable[[], None]) -> None:
            try:
                loop.call_soon_threadsafe(call)
            except RuntimeError:
                return  # the loop has closed: the peer was stopped while this job ran

        def work() -> None:
            try:
                result = job()
            except P2pmeError as error:
                failure = error
                post(lambda: self._fail(failure))
            except Exception as error:
                bug = error
                post(lambda: self._fail(bug))
            else:
                post(lambda: then(result))

        threading.Thread(target=work, daemon=True, name="training").start()

    def _fail(self, error: Exception) -> None:
        if self._finish and not self._finish.done():
            self._finish.set_exception(error)
        else:
            self._failed_late = error
        self._released.set()

    async def _leave(self, error: P2pmeError) -> None:
        """Tell the neighbours, so that they need not wait for silence."""
        try:
            for action in self._core.on_stop(time.monotonic()):
                if isinstance(action, Send):
                    self._links.send(action.to, action.message)
            await self._links.part(STOPPED_PART_S)
        except P2pmeError:
            return  # the links themselves are what failed

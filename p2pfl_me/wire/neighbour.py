"""What the links know of one neighbour: its connection and session, what it may cost, what is to be told of it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from p2pfl_me.errors import WireError
from p2pfl_me.wire.apart import Apart
from p2pfl_me.wire.budget import Bucket
from p2pfl_me.wire.endpoint import Endpoint, Liveness, Meeting
from p2pfl_me.wire.pace import Pace
from p2pfl_me.wire.refusal_log import RefusalLog, Repeats
from p2pfl_me.wire.session import Session
from p2pfl_me.wire.station import Connection

HANDSHAKES = (1.0, 10.0)
"""Handshakes a second and at once: what a line that flaps needs."""
RECORDS = (1000.0, 10_000.0)
"""Records a second and at once. A model's pieces grow with the rate, so more are no model."""
MESSAGES = (200.0, 2000.0)
"""Messages that begin, a second and at once, whether or not they come whole: several times what the fastest rounds
need. Whoever sends more is read later."""

MOST_S = 2.0
"""Between two calls of it that came to nothing, at most."""
NAMES = 8
"""Names of its ends of conversations that are remembered of a neighbour."""


@dataclass(slots=True)
class Tried:
    """What has come of calls of a neighbour by several keys, since which keys are good: those of ours that it has said,
    under one of its own, not to know, and those of its under which somebody else answered; and how many handshakes were
    begun since the last link. A call that nobody took has tried no key."""

    unknown: set[bytes] = field(default_factory=set)
    elsewhere: set[bytes] = field(default_factory=set)
    begun: int = 0


@dataclass(slots=True, eq=False)
class Neighbour:
    """`is_up` while our owner has been told of a link; `link` counts them. `connection` carries it, but for moments in
    which it is made anew (since `lost_at`). `dialling` is our attempt to reach the neighbour, and `failures` counts
    those in a row. `echo`: when bytes were sent that are to come back, and who is told how long that takes.
    """

    endpoint: Endpoint
    session: Session
    is_up: bool = False
    is_twice: bool = False
    connection: Connection | None = None
    key: bytes = b""
    """The public key with which the other end of the connection has shown who it is."""
    lost_at: float = 0.0
    missed_from: float | None = None
    """From when on it counts as not there: a relay that both call has answered since the connection was lost, and the
    other end has had the time to call there, too."""
    made_at: float = 0.0
    """When the connection was made, and after how many bytes on the wire with this neighbour."""
    made_after: int = 0
    pace: Pace = field(default_factory=Pace)
    link: int = 0
    heard: float = 0.0
    dialling: Connection | None = None
    failures: int = 0
    cut: int = 0
    """Calls in a row that it took and ended before the handshake."""
    tries: int = 0
    """Calls of a relay that did not come to a link, in a row since the last relay that did."""
    unreachable: str = ""
    quarantined: bool = False
    is_former: bool = False
    """Of the contract before: it is told what has changed, and never linked with."""
    apart: Apart = field(default_factory=Apart)
    """What there has been between us while our contracts differ."""
    tried: Tried = field(default_factory=Tried)
    echo: tuple[float, Future[float]] | None = None
    names: deque[bytes] = field(default_factory=lambda: deque(maxlen=NAMES))
    """By which it has named its end of our conversations, the latest last."""
    complained: Repeats = field(default_factory=Repeats)
    """What has been complained of."""
    complaints: RefusalLog = field(default_factory=RefusalLog)
    handshakes: Bucket = field(default_factory=lambda: Bucket(*HANDSHAKES))
    records: Bucket = field(default_factory=lambda: Bucket(*RECORDS))
    messages: Bucket = field(default_factory=lambda: Bucket(*MESSAGES))

    @property
    def peer(self) -> int:
        return self.endpoint.peer

    def relay(self, me: int) -> Meeting | None:
        """Where peer `me` meets it now, if it cannot be called itself."""
        return self.endpoint.relay(me, self.tries)

    def where(self, me: int) -> str:
        """Where peer `me` calls it, in words."""
        relay = self.relay(me)
        return f"the relay {relay.address}" if relay else self.endpoint.address

    def named(self, me: int) -> str:
        """The neighbour and where peer `me` calls it, if it can be called."""
        return f"peer {self.peer}{' at ' * bool(where := self.where(me))}{where}"

    def complains(self, now: float, complaint: str) -> str | None:
        """The line to log, not at every attempt, but for whoever looks later; and one that complains in ever new words
        fills no disk."""
        return self.complaints.line(now, complaint) if self.complained.due(now, complaint) else None

    def lost(self, now: float) -> None:
        """Its connection has ended."""
        self.lost_at, self.missed_from = now, None

    def not_there(self, now: float) -> None:
        """A relay answers that it is not there. Where the relay had been away, both are about to call it again."""
        if self.missed_from is None:
            self.missed_from = now + (MOST_S if self.failures else 0.0)
        self.failures = 0

    def kept_until(self, limits: Liveness) -> float:
        """When a link without a connection is given up. That no relay answers says nothing of a neighbour that is met
        there: it is silence, as on a line that is cut without a word."""
        if not self.endpoint.relays:
            return self.lost_at + limits.resume_s
        silent = self.heard + limits.silence_s
        return silent if self.missed_from is None else min(silent, self.missed_from + limits.resume_s)

    def goes_by(self, name: bytes) -> None:
        """The name of its end of the conversation that is taken up now."""
        if name in self.names:
            self.names.remove(name)
        self.names.append(name)

    def comes_back_as(self, name: bytes) -> bool:
        """Whether it had that name before the one that it had last: one process gives up a name for good."""
        return name in self.names and name != self.names[-1]

    def forget_echo(self) -> None:
        """What was to come back will not."""
        if self.echo and self.echo[1].set_running_or_notify_cancel():
            self.echo[1].set_exception(WireError(f"the link to peer {self.peer} has gone"))
        self.echo = None

    def echoed(self, now: float) -> None:
        """It has come back, if it was waited for."""
        if self.session.is_echoed and self.echo:
            self.session.is_echoed = False
            (asked_at, answer), self.echo = self.echo, None
            if answer.set_running_or_notify_cancel():
                answer.set_result(now - asked_at)

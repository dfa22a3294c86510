"""Who is seen and who is not: neighbours that fall silent, what others see of those that are gone, and this peer's own
lateness. All of it is told, with names; none of it ends a link.

A peer whose own thread got no time hears nobody: it takes that from the silence of all others and says so (the local
health of Lifeguard; Dadgar, Phillips, Currey 2018). The links' thread's, which has the clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from p2pfl_me.wire.budget import Bucket
from p2pfl_me.wire.complaints import MUTE, NO_ANSWER
from p2pfl_me.wire.endpoint import Liveness, News, Sighted, Starved, Unreachable
from p2pfl_me.wire.neighbour import Neighbour
from p2pfl_me.wire.reactor import Reactor
from p2pfl_me.wire.sightings import Seen, Sight

QUIET = 4
"""A part of the silence that ends a link: whoever is silent for so long is asked after."""
ASKED_AT_MOST = 16
"""Neighbours that are asked about one."""
ANSWER_S = 2.0
AGAIN_S, MOST_AGAIN_S = 30.0, 600.0
"""Between two questions about one that stays away, doubled each time."""
FAILURES = 4
"""Calls that fail in a row, within some 0.7 s, before it is told: one that begins at the same time is no news. One that
had all its time in vain is told at once."""
LINES = (1 / 60, 5.0)
"""What is told of one neighbour, or of this peer's own lateness: a minute and at once."""


@dataclass(slots=True)
class _Case:
    """What has been asked and told of one neighbour."""

    number: int = 0
    """Of the inquiry: an older one's timers mean nothing."""
    quiet: bool = False
    quiet_at: float = 0.0
    """When that was seen: what came before is no sign of life."""
    gone: Sight = Sight.GONE
    since: float = 0.0
    again_s: float = AGAIN_S
    answers: dict[int, Sight] = field(default_factory=dict)
    said: Sighted | None = None
    """Last, since the link has come up or gone down: each is told by itself."""
    unreachable: str = ""
    lines: Bucket = field(default_factory=lambda: Bucket(*LINES))


class Watcher:
    """Watches the neighbours of one peer; `tell` is told the news."""

    def __init__(
        self, neighbours: Mapping[int, Neighbour], liveness: Liveness, reactor: Reactor, tell: Callable[[News], None]
    ) -> None:
        self._neighbours, self._liveness, self._reactor, self._tell = neighbours, liveness, reactor, tell
        now = time.monotonic()
        self._cases = {peer: _Case(since=now) for peer in neighbours}
        self._due: float | None = None
        self._woke_at = -math.inf
        """When this thread got time again for which it had waited longer than a neighbour may be silent unasked."""
        self._own_lines = Bucket(*LINES)

    # -- this peer itself ---------------------------------------------------------------------------------------

    def again(self, now: float, delay_s: float, beat: Callable[[], None]) -> None:
        """Have the next beat after so many seconds; how much later it comes is this thread's own lateness."""
        self._due = now + delay_s
        self._reactor.call_later(delay_s, beat)

    def lateness(self, now: float) -> float:
        """Seconds that this thread itself got no time since its last beat, 0 where it is hardly any."""
        late = 0.0 if self._due is None else now - self._due
        if late <= self._liveness.ping_s:
            return 0.0
        if self._has_slept(now):
            self._woke_at = now
        if late > self._liveness.silence_s / QUIET and self._own_lines.take(now):
            self._tell(Starved(late))
        return late

    def _has_slept(self, now: float) -> bool:
        """Whether this thread, whose beat may not have come yet, has just got time after long."""
        return self._due is not None and now - self._due > self._liveness.silence_s / QUIET

    def hears(self, neighbour: Neighbour, now: float) -> bool:
        """Whether its connection stands and brings something just now. What has lain there while this peer slept says
        nothing of who is there: its sender may have given it up long ago, and called anew."""
        connection = neighbour.connection
        slept = self._has_slept(now) or neighbour.made_at < self._woke_at
        return connection is not None and not slept and now - connection.heard_at < 2 * self._liveness.ping_s

    # -- its neighbours -----------------------------------------------------------------------------------------

    def look(self, neighbour: Neighbour, now: float) -> None:
        """At each beat, at one whose link stands."""
        case = self._cases[neighbour.peer]
        silent = now - neighbour.heard > self._liveness.silence_s / QUIET
        if silent and not case.quiet:
            case.quiet, case.quiet_at = True, now
            self._inquire(neighbour)
        elif case.quiet and not silent and _has_come(neighbour, case.quiet_at):
            case.quiet = False
            case.number += 1  # whatever others still say was asked of one that is silent
            if case.said:
                self._say(Sighted(neighbour.peer, False, {}, heard=True))

    def up(self, neighbour: Neighbour) -> None:
        self._cases[neighbour.peer] = _Case(
            self._cases[neighbour.peer].number + 1, lines=self._cases[neighbour.peer].lines
        )

    def down(self, neighbour: Neighbour, now: float, *, parted: bool) -> None:
        case = self._cases[neighbour.peer]
        case.quiet, case.since, case.gone = False, now, Sight.LEFT if parted else Sight.GONE
        case.said = None
        if not parted and not neighbour.quarantined:
            self._inquire(neighbour)

    def unreachable(self, neighbour: Neighbour) -> None:
        """A call has come to nothing. Of one that was a neighbour by the contract before, nothing is expected."""
        if neighbour.is_former:
            return
        case, why = self._cases[neighbour.peer], neighbour.unreachable
        if case.gone is Sight.LEFT:
            return  # it has said goodbye
        waits_there = bool(neighbour.endpoint.relays) and neighbour.failures < FAILURES
        waited = NO_ANSWER in why or MUTE in why
        is_news = why != case.unreachable and (neighbour.failures >= FAILURES or waits_there or waited)
        if is_news and case.lines.take(time.monotonic()):
            case.unreachable = why
            self._tell(Unreachable(neighbour.peer, why))

    def take(self, neighbour: Neighbour, now: float) -> None:
        """What a neighbour has just asked and told of others."""
        session = neighbour.session
        for peer in session.sightings.asked():
            session.sightings.tell(self._seen(peer, now))
        for seen in session.seen:
            if case := self._cases.get(seen.peer):
                case.answers[neighbour.peer] = seen.sight
        session.seen.clear()

    def _seen(self, peer: int, now: float) -> Seen:
        case, neighbour = self._cases.get(peer), self._neighbours.get(peer)
        if case is None or neighbour is None:
            return Seen(peer, Sight.NOTHING, 0.0)
        if neighbour.connection and not case.quiet:
            return Seen(peer, Sight.UP, max(0.0, now - neighbour.heard))
        return Seen(peer, case.gone, max(0.0, now - case.since))

    def _inquire(self, neighbour: Neighbour) -> None:
        """Ask the others, and say in a moment what they see."""
        case = self._cases[neighbour.peer]
        case.number += 1
        case.answers = {}
        others = (each for each in self._neighbours.values() if each.is_up and each is not neighbour)
        for other in _some(others, neighbour.peer):
            other.session.sightings.ask(neighbour.peer)
        self._reactor.call_later(ANSWER_S, partial(self._conclude, neighbour, case.number))

    def _conclude(self, neighbour: Neighbour, number: int) -> None:
        case = self._cases[neighbour.peer]
        if case.number != number:
            return
        by = {peer: sight.name.lower() for peer, sight in sorted(case.answers.items()) if sight is not Sight.NOTHING}
        if case.said or case.quiet or by:  # that it is gone is known without anybody's word
            self._say(Sighted(neighbour.peer, case.quiet, by))
        self._reactor.call_later(case.again_s, partial(self._again, neighbour, number))
        case.again_s = min(2 * case.again_s, MOST_AGAIN_S)

    def _again(self, neighbour: Neighbour, number: int) -> None:
        if self._cases[neighbour.peer].number == number and not neighbour.quarantined:
            self._inquire(neighbour)

    def _say(self, told: Sighted) -> None:
        case = self._cases[told.peer]
        if case.said != told and (not told.silent or case.lines.take(time.monotonic())):
            case.said = told
            self._tell(told)


def _has_come(neighbour: Neighbour, since: float) -> bool:
    """Whether bytes of it have come since then. That nobody reads now, as this peer has enough to do, is none."""
    return neighbour.connection is not None and neighbour.connection.heard_at > since


def _some(others: Iterable[Neighbour], about: int) -> list[Neighbour]:
    """No more than may be asked, others for each that is asked after."""
    found = list(others)
    begin = about % max(1, len(found))
    return (found[begin:] + found[:begin])[:ASKED_AT_MOST]

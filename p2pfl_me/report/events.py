"""The event log of one peer as a report counts with it: rounds from 1, byte counters that grow over all its lives.

What a log may say is declared in `run.events`. A peer that was restarted appends to its log: a round that was done
twice counts once, the last time. Lines that cannot be read are kept beside, with their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from p2pfl_me.run import events
from p2pfl_me.run.events import LinkState, Reason, Round
from p2pfl_me.run.folder import RunFolder
from p2pfl_me.run.reading import Unread, read_log

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class PeerLog:
    """Everything one peer logged. `finish` is None when it ended without a word (killed, or still running).

    `restarts` are the starts of further processes: none where one goes on by itself, as the members have changed the
    contract. `changes`: from which round on which keys of it were others. `agreed`: digests (hex) of the contracts on
    which the members have agreed, as far as this peer has heard. `sent` and `received` sum the counters with which its
    lives ended; those that were cut left none.
    """

    peer: int
    starts: tuple[events.Start, ...] = ()
    restarts: tuple[events.Start, ...] = ()
    changes: tuple[tuple[int, tuple[str, ...]], ...] = ()
    agreed: frozenset[str] = frozenset()
    rounds: tuple[Round, ...] = ()
    links: tuple[events.Link, ...] = ()
    refusals: tuple[events.Refused, ...] = ()
    spent: tuple[events.Spent, ...] = ()
    finish: events.Finish | None = None
    catch_ups: tuple[tuple[int, int], ...] = ()
    unread: tuple[Unread, ...] = ()
    sent: int = 0
    received: int = 0
    is_cut: bool = False
    """Whether its beginning is gone: a log that has grown too long drops its oldest part, or somebody moved it away."""

    @property
    def last_round(self) -> int:
        """The last round it completed, 0 if none."""
        return self.rounds[-1].round if self.rounds else 0


def read_peer_log(folder: RunFolder, peer: int) -> PeerLog:
    """The log of one peer; an absent file is an empty log."""
    log = read_log(folder, peer)
    told = [line.event for line in log.events]

    def every(kind: type[E]) -> tuple[E, ...]:
        return tuple(each for each in told if isinstance(each, kind))

    finish: events.Finish | None = None
    links: list[events.Link] = []
    known = [0, 0]
    """Of how many links was told before the last round but one, and before the last."""
    for each in told:
        if isinstance(each, Round):
            known = [known[1], len(links)]
        if finish is None and (isinstance(each, events.Changed) or _leaves(each)):
            # Whoever is through with the last round under the contract before hangs up first.
            links[known[0] :] = [link for link in links[known[0] :] if link.state is not LinkState.DOWN]
        if isinstance(each, events.Start | events.Finish):
            finish = each if isinstance(each, events.Finish) else None
        elif isinstance(each, events.Link) and finish is None:  # those that go down after the end are the end's
            links.append(each)
    restarts, changes = _lives(told)
    return PeerLog(
        peer=peer,
        starts=every(events.Start),
        restarts=restarts,
        changes=changes,
        agreed=frozenset(each.contract_digest for each in every(events.View)),
        rounds=_rounds(every(Round)),
        links=tuple(links),
        refusals=every(events.Refused),
        spent=every(events.Spent),
        finish=finish,
        catch_ups=tuple((each.from_round + 1, each.to_round + 1) for each in every(events.CatchUp)),
        unread=log.unread,
        sent=sum(each.bytes_sent for each in every(events.Traffic)),
        received=sum(each.bytes_received for each in every(events.Traffic)),
        is_cut=isinstance(next((each for each in told if isinstance(each, events.Start | Round)), None), Round),
    )


def _leaves(told: object) -> bool:
    return isinstance(told, events.Finish) and told.reason is Reason.LEFT


def _lives(told: Iterable[object]) -> tuple[tuple[events.Start, ...], tuple[tuple[int, tuple[str, ...]], ...]]:
    """Starts of further processes, and the changes of the contract: a start behind one is the first under the new."""
    restarts: list[events.Start] = []
    changes: list[tuple[int, tuple[str, ...]]] = []
    before: events.Start | None = None
    changed: events.Changed | None = None
    for each in told:
        if isinstance(each, events.Changed):
            changed = each
        elif isinstance(each, events.Start):
            if changed:
                changes.append(((each.resumed_round or 0) + 1, changed.keys))
            if before and not (changed and before.pid == each.pid):
                restarts.append(each)
            before, changed = each, None
    return tuple(restarts), tuple(changes)


def _rounds(told: Iterable[Round]) -> tuple[Round, ...]:
    sent, received = _Counter(), _Counter()
    rounds: dict[int, Round] = {}
    for each in told:
        if each.round >= 0:
            done, counted = each.round + 1, (sent.add(each.bytes_sent), received.add(each.bytes_received))
            rounds[done] = replace(each, round=done, bytes_sent=counted[0], bytes_received=counted[1])
    return tuple(rounds[index] for index in sorted(rounds))


class _Counter:
    """Makes one growing count of a counter that starts again from zero when its process is restarted."""

    def __init__(self) -> None:
        self._earlier = 0
        self._last = 0

    def add(self, value: int) -> int:
        if value < self._last:
            self._earlier += self._last
        self._last = value
        return self._earlier + value

"""Whom a wait-free round waits for, and until when: what one peer knows of its neighbours' time, and tells of its own.

The same measure as in the atomic exchange: each neighbour has a deadline of its own from how long it took before
(`pace`); who takes long says so, by LATER for its training and by WAITS for those whom it waits for itself (`outlook`);
and no word makes good what did not come (`misses`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from p2pfl_me.gossip.edge import Edge
from p2pfl_me.gossip.misses import NEEDS_MORE, NOT_AWAITED, is_awaited, missed
from p2pfl_me.gossip.outlook import Outlook
from p2pfl_me.gossip.pace import Pace
from p2pfl_me.gossip.protocol import Action, Send, SetTimer, Timer
from p2pfl_me.gossip.settings import TICK_S, Settings
from p2pfl_me.message import Kind, Message


class Waits:
    """One peer's waiting, round by round. `there` are always the neighbours whose links are up."""

    def __init__(self, settings: Settings, neighbours: Collection[int]) -> None:
        self._pace, self._outlook = Pace(settings), Outlook(settings)
        self._edges = {peer: Edge() for peer in neighbours}
        self._came = dict.fromkeys(neighbours, -1)
        """neighbour -> the last round whose message has counted for it; none counts twice, over a new link neither."""
        self._due: dict[int, float] = {}
        """neighbour -> until when it is waited for."""
        self._asked: set[int] = set()
        """Who was asked for it again, in the last round; what is lost in any other comes with the next."""
        self._left_off: dict[int, str] = {}
        self._round, self._last = 0, settings.stop.rounds - 1
        self._is_training = False
        self._begun_at = self._trained_at = self._merged_at = 0.0

    @property
    def late(self) -> frozenset[int]:
        """Who is waited for now."""
        return frozenset(self._due)

    def why_missing(self, peer: int) -> str:
        """Why the message of a neighbour that should be in this round is not."""
        return self._left_off.get(peer, "deadline")

    # -- a round ----------------------------------------------------------------------------------------------------

    def begun(self, now: float, round: int, there: Collection[int]) -> list[Action]:
        """The training of `round` begins; long ones are foretold."""
        self._round, self._begun_at, self._is_training = round, now, True
        self._due.clear()
        return self._foretell_training(now, self._pace.work_s, there)

    def trained(self, now: float, due: Mapping[int, bool], there: Collection[int]) -> list[Action]:
        """It has ended. `due`: whose messages this round should have, and whether they have come."""
        self._trained_at, self._is_training = now, False
        self._pace.trained(self._round, now)
        self._asked.clear()
        self._left_off = {}
        for peer, has_come in due.items():
            edge = self._edges[peer]
            if has_come:
                self._count(now, peer, self._round, in_time=True)
            elif not is_awaited(edge.misses):
                self._left_off[peer] = NOT_AWAITED
            elif self._pace.too_late(edge, self._round, now):
                self._left_off[peer] = NEEDS_MORE
            elif peer in there:
                self._due[peer] = self._pace.due(edge, self._round, now, now)
        if not self._due:
            return []
        return [*self._next_deadline(), SetTimer(Timer.LONG, self._round, now + self._outlook.long_s)]

    def merged(self, now: float) -> None:
        """Nobody is waited for any more."""
        self._due.clear()
        self._merged_at = now

    def evaluated(self, now: float) -> None:
        """The round is over."""
        self._pace.worked(self._trained_at - self._begun_at + now - self._merged_at)

    # -- what comes -------------------------------------------------------------------------------------------------

    def here(self, peer: int) -> None:
        """What it owed this round has come, or cannot come: it is not waited for any longer."""
        self._due.pop(peer, None)

    def came(self, now: float, peer: int, round: int) -> None:
        """Its message of `round` is here for the first time; one before its round counts when that is trained."""
        if round < self._round or (round == self._round and not self._is_training):
            self._count(now, peer, round, in_time=peer in self._due)

    def heard(self, now: float, sender: int, message: Message, there: Collection[int]) -> list[Action]:
        """LATER, WAITS: it is given more time accordingly, and those who wait for this peer hear of it."""
        edge = self._edges[sender]
        edge.foretold = message.round, now + message.at / 1000, message.kind is Kind.WAITS
        if sender not in self._due or sender in self._asked:
            return []
        # The timer that is set rings before that, and sets the next: a word that is said again must make no timer more.
        self._due[sender] = max(self._due[sender], self._pace.due(edge, self._round, now, self._trained_at))
        return self._foretell_wait(now, there)

    def rang(self, now: float, timer: Timer, there: Collection[int]) -> list[Action]:
        """A timer of this round: it takes long, or somebody's time is over."""
        if timer is Timer.LONG:
            if self._is_training:
                return self._foretell_training(now, now - self._begun_at, there)
            return self._foretell_wait(now, there)
        asked: list[Action] = []
        for peer in sorted(peer for peer, due in self._due.items() if due <= now + TICK_S):
            if peer not in self._asked:
                self._edges[peer].misses = missed(self._edges[peer].misses)
            if peer in self._asked or self._round < self._last:
                del self._due[peer]
                continue
            self._asked.add(peer)
            self._due[peer] = now + self._pace.settling_s
            asked.append(Send(peer, Message(Kind.WITHDRAW, self._round, self._round)))
        return [*asked, *self._next_deadline()]

    # -- what is told -----------------------------------------------------------------------------------------------

    def _foretell_training(self, now: float, expected_s: float, there: Collection[int]) -> list[Action]:
        """If it takes longer than ever before, as much again is the best guess that there is."""
        again_at = now + max(expected_s, self._outlook.long_s)
        told = self._foretell(now, expected_s, Kind.LATER, self._round, there)
        return [*told, SetTimer(Timer.LONG, self._round, again_at)]

    def _foretell_wait(self, now: float, there: Collection[int]) -> list[Action]:
        """Who has waited long says when it goes on at the latest, so that nobody further on gives it up meanwhile."""
        if not self._due or now + TICK_S < self._trained_at + self._outlook.long_s:
            return []
        over_s = max(self._due.values()) - now
        return self._foretell(now, over_s + self._pace.work_s, Kind.WAITS, self._round + 1, there)

    def _foretell(self, now: float, seconds: float, kind: Kind, round: int, there: Collection[int]) -> list[Action]:
        milliseconds = self._outlook.word(now, seconds)
        if milliseconds is None:
            return []
        return [Send(peer, Message(kind, round, milliseconds)) for peer in sorted(there)]

    def _next_deadline(self) -> list[Action]:
        return [SetTimer(Timer.DEADLINE, self._round, min(self._due.values()))] if self._due else []

    def _count(self, now: float, peer: int, round: int, *, in_time: bool) -> None:
        if self._came[peer] < round:
            self._came[peer] = round
            self._pace.arrived(self._edges[peer], round, now, in_time=in_time)

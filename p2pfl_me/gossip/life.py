"""What every core's life has, whatever its peers exchange: it joins, may find itself alone, and ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from enum import Enum, auto

from p2pfl_me.gossip.gathering import Gathering
from p2pfl_me.gossip.membership import Membership
from p2pfl_me.gossip.protocol import Action, Finish, Send, SetTimer, Timer
from p2pfl_me.gossip.settings import TICK_S, Settings
from p2pfl_me.gossip.stop import Progress
from p2pfl_me.message import Kind, Message


class Phase(Enum):
    JOINING = auto()
    TRAINING = auto()
    EXCHANGING = auto()
    EVALUATING = auto()
    ALONE = auto()
    DONE = auto()


class Life(ABC):
    """From the start to the last word of a peer's core; `completed` rounds lie behind it."""

    def __init__(
        self, me: int, neighbours: tuple[int, ...], settings: Settings, completed: int, progress: Progress | None
    ) -> None:
        self.round = completed
        self.progress = progress or Progress()
        self._completed = completed
        self._settings = settings
        self._members = Membership(neighbours)
        self._gathering = Gathering(me, self._members, settings, completed)
        self._phase = Phase.JOINING
        self._reason = ""
        """Why it ended."""
        self._of_use = False
        """Whether a neighbour has what this peer trained last, though this one may have nothing of the neighbours."""
        self._has_heard = True
        """Whether any neighbour has said anything since the last round began."""
        self._alone_until = 0.0
        """Where this peer waits for company: when its patience ends."""

    @abstractmethod
    def _open(self, now: float) -> list[Action]:
        """The start is over."""

    def _unsettled(self) -> list[tuple[int, int]]:
        """At the end: (neighbour, round) of exchanges of which this peer does not know whether they count."""
        return []

    def on_stop(self, now: float) -> list[Action]:
        """The user stops this peer."""
        return [] if self._phase is Phase.DONE else self._finish("stopped")

    def _begin_if_joined(self, now: float) -> list[Action]:
        return self._open(now) if self._phase is Phase.JOINING and self._gathering.enough else []

    def _on_patience(self, now: float, timer: Timer, round: int) -> list[Action]:
        """A timer of the start, or of one who is alone."""
        if timer is Timer.ALONE:
            return self._still_alone(now) if self._phase is Phase.ALONE and round == self.round else []
        if self._phase is not Phase.JOINING:
            return []
        return [*self._gathering.rang(now, timer), *self._begin_if_joined(now)]

    def _are_enough(self, peers: Collection[int]) -> bool:
        """Whether a round could be shared with these."""
        return bool(peers)

    def _wait_for_company(self, now: float) -> list[Action] | None:
        """What to do instead of a round where the contract wants none without neighbours; None where all is well.

        A link stands for a while after the last byte of a peer that sleeps. So whoever has heard nothing in a round
        that it shared with nobody asks, and waits for any word: of two that have lost each other's both go on with it.
        """
        members = self._members
        company = self._of_use or self._are_enough(members.there)
        is_silent = bool(members.there) and not self._has_heard
        if not self._settings.wait_alone or not members.neighbours or (company and not is_silent):
            self._has_heard = False
            return None
        if not self._are_enough(members.neighbours - members.gone):
            return self._finish("alone")
        if self._phase is not Phase.ALONE:
            self._phase, self._alone_until = Phase.ALONE, now + self._settings.join_timeout_s
        return self._ask_whether_they_are_there(now)

    def _still_alone(self, now: float) -> list[Action]:
        """The timer of one who waits for company."""
        return self._finish("alone") if now + TICK_S >= self._alone_until else self._ask_whether_they_are_there(now)

    def _ask_whether_they_are_there(self, now: float) -> list[Action]:
        """Again after a while, since words are lost with their link."""
        asked = frozenset[int]() if self._has_heard else self._members.there
        again_at = min(self._alone_until, now + self._settings.deadline_min_s) if asked else self._alone_until
        question = Message(Kind.PRESENT, 0, 0)  # whoever has begun answers it, and nobody learns a name from it
        return [*(Send(peer, question) for peer in sorted(asked)), SetTimer(Timer.ALONE, self.round, again_at)]

    @property
    def _goodbye(self) -> Message:
        """Its first number is a round that is behind this peer where it will not come back for more."""
        early = self._reason in ("time", "work", "patience")
        return Message(Kind.LEAVE, max(0, self._completed - 1) if early else self.round, self._completed)

    def _finish(self, reason: str) -> list[Action]:
        self._phase, self._reason = Phase.DONE, reason
        leave: list[Action] = [Send(peer, self._goodbye) for peer in sorted(self._members.there)]
        trained, alone = self.progress.trained, self.progress.alone
        behind = self._settings.stop.rounds if reason == "alone" and not self._is_left_by_a_rule else self._completed
        skipped = behind - trained - self.progress.joined
        return [*leave, Finish(reason, trained, tuple(sorted(self._unsettled())), skipped, alone)]

    @property
    def _is_left_by_a_rule(self) -> bool:
        """Whether the contract lets peers end before its last round, and all that are not there have said goodbye."""
        settings, members = self._settings, self._members
        reasons = {reason for peer in members.neighbours if (reason := members.why_absent(peer))}
        return bool(settings.stop.patience or settings.seconds or settings.work) and reasons == {"left"}

"""The start: who is there, told from neighbour to neighbour, until enough are to begin together.

Each peer tells its neighbours whom it knows to be there, in masks of 31 ids, whenever it knows more. Once the quorum is
there, or somebody's patience is over, BEGUN goes through the swarm, and all begin; who comes later is told that the
run is under way and waits for nobody. Of two neighbours or more it takes the word of two, or one and half of one's own
patience: else one liar that is there first would have each lab begin with it alone, one after the other as they come.
"""

from __future__ import annotations

from collections.abc import Iterator

from p2pfl_me.gossip.membership import Membership
from p2pfl_me.gossip.protocol import Action, Began, Send, SetTimer, Timer
from p2pfl_me.gossip.settings import TICK_S, Settings
from p2pfl_me.message import Kind, Message

TELL_S = 0.05
"""News are collected for so long before they are told."""
IDS = 31
"""In one message."""
BELIEVED = 0.5
"""Of one's own patience: after that a single word that others have begun will do."""


class Gathering:
    """One peer's view of the start, with so many rounds behind it.

    Who comes back to a run waits for greetings only, unless all go on together under a changed contract.
    """

    def __init__(self, me: int, members: Membership, settings: Settings, completed: int) -> None:
        self._members, self._settings, self._completed = members, settings, completed
        self._resumed = completed > 0 and settings.gathers_s is None
        self._known = {me}
        self._told: frozenset[int] = frozenset()
        self._telling = False
        """A timer is set at which news will be told: what comes until then goes with them."""
        self._again_at = 0.0
        """When all is told again, news or not."""
        self._begun = set[int]()
        """Neighbours that have begun, by their word."""
        self._under_way = False
        """That is believed."""
        self._doubts = False
        """One has said it so far."""
        self._believes_at = float("inf")
        self._on_its_way = False
        """A neighbour has a round behind it."""
        self._linking_until = float("inf")
        """Until when to wait for neighbours that are there, and whose link is not up yet."""
        self._now = 0.0
        self._patience_over = False

    @property
    def missing(self) -> frozenset[int]:
        """Whom this peer does not know to be there."""
        known = self._known | self._members.gone
        return (self._settings.everyone or self._members.awaited) - known

    @property
    def waiting_for(self) -> frozenset[int]:
        """The neighbours that have not greeted, or else those further away that are missing."""
        return self._members.awaited or self.missing

    @property
    def expects_all(self) -> bool:
        """Whether all should still be there in a moment: they begin together, and BEGUN may outrun other words."""
        everyone = self._settings.quorum == len(self._settings.everyone) and not self._resumed
        late = self._on_its_way or self._now >= self._linking_until
        return everyone and not (self._under_way and late)

    @property
    def patience_over(self) -> bool:
        """Whether this peer has waited for as long as the contract says."""
        return self._patience_over

    @property
    def enough(self) -> bool:
        """Whether this peer may begin."""
        quorum, members = self._settings.quorum, self._members
        if self._patience_over:
            return True
        if self._under_way:  # greetings on their way say where the others stand
            linking = members.awaited & self._known if self._now < self._linking_until else frozenset()
            return not members.ungreeted and not linking
        if self._resumed or quorum is None:
            return not members.awaited
        here = len(self._settings.everyone & (self._known | members.gone))
        return here >= quorum and not (members.awaited if quorum == len(self._settings.everyone) else members.ungreeted)

    def start(self, now: float) -> list[Action]:
        """Wait, but no longer than the contract's patience."""
        wait_s = self._settings.join_timeout_s
        if self._settings.gathers_s is not None:
            wait_s = self._settings.gathers_s
        elif self._resumed:
            wait_s = min(wait_s, self._settings.deadline_min_s)
        self._believes_at = now + BELIEVED * wait_s
        return [SetTimer(Timer.JOIN, 0, now + wait_s)]

    def linked(self, now: float) -> list[Action]:
        """A link is up: its greeting has a while to come."""
        return [SetTimer(Timer.GREETING, 0, now + self._settings.deadline_min_s)]

    def hear(self, now: float, sender: int, message: Message) -> list[Action]:
        """A message that came before the beginning."""
        self._known.add(sender)
        self._now = now
        match message.kind:
            case Kind.PRESENT:
                self._known |= _ids(message) & self._settings.everyone  # ids that nobody has would grow without end
            case Kind.LEAVE:  # of who has ended
                if message.at > self._completed:
                    self._begun.add(sender)
            case Kind.HELLO:  # whoever has begun says so beside it; others may wait, too, with rounds behind them
                self._on_its_way |= message.at > 0
            case Kind.BEGUN | Kind.OFFER | Kind.ANSWER | Kind.SKIP | Kind.WITHDRAW | Kind.PUSH:
                self._begun.add(sender)
            case Kind.MASKED | Kind.ROSTER | Kind.PLEDGE:
                self._begun.add(sender)
            case Kind.KEY | Kind.CIRCLE:  # said before the beginning, too
                pass
        return [*self._believe(now), *self._tell_later(now)]

    def _believe(self, now: float) -> list[Action]:
        """Whether the run is under way; asked again when one word is enough."""
        if self._under_way or not self._begun:
            return []
        if len(self._begun) < min(2, len(self._members.neighbours)) and now + TICK_S < self._believes_at:
            was, self._doubts = self._doubts, True
            return [] if was else [SetTimer(Timer.BELIEVE, 0, self._believes_at)]
        self._under_way, self._linking_until = True, now + self._settings.deadline_min_s
        return self.linked(now)

    def rang(self, now: float, timer: Timer) -> list[Action]:
        """A timer of the start has come; whether this peer may begin now, `enough` says."""
        match timer:
            case Timer.JOIN:
                self._patience_over = True
                return []
            case Timer.BELIEVE:
                return self._believe(now)
            case Timer.GREETING:  # a link that is up is enough, should its greeting be lost
                self._now = now + TICK_S
                self._members.excuse_greetings()
                return []
            case Timer.TELL:
                return self._tell(now)
            case Timer.DEADLINE | Timer.ALONE | Timer.HAND_OUT | Timer.LONG | Timer.VIEW:
                return []

    def _tell(self, now: float) -> list[Action]:
        """What was lost is told again after a while."""
        self._telling = False
        self._told = frozenset(self._known)
        masks = list(_masks(self._known))
        sends: list[Action] = [Send(peer, mask) for peer in sorted(self._members.there) for mask in masks]
        if now + TICK_S < self._again_at:  # one who repeats is enough, however many news there are
            return sends
        self._again_at = now + self._settings.deadline_min_s
        return [*sends, SetTimer(Timer.TELL, 0, self._again_at)]

    def begin(self) -> list[Action]:
        """What is said when this peer begins."""
        news = [] if self._resumed else [*_masks(self._known)]
        begun = [*news, Message(Kind.BEGUN, 0)]
        return [Began(self.missing), *(Send(peer, each) for peer in sorted(self._members.there) for each in begun)]

    def _tell_later(self, now: float) -> list[Action]:
        quorum = self._settings.quorum
        if self._resumed or quorum is None or self.enough or self._telling or self._known <= self._told:
            return []
        self._telling = True
        return [SetTimer(Timer.TELL, 0, now + TELL_S)]


def _masks(ids: set[int]) -> Iterator[Message]:
    for chunk in sorted({peer // IDS for peer in ids}):
        yield Message(Kind.PRESENT, chunk, sum(1 << peer % IDS for peer in ids if peer // IDS == chunk))


def _ids(message: Message) -> set[int]:
    return {message.round * IDS + bit for bit in range(IDS) if message.at >> bit & 1}

"""One end of an edge in the atomic exchange: what is open on it, what was answered, and how long the other takes.

An offer stays open until its reply has come, be it in a later round or over a later link; until then the edge carries
no other. So when the reply is an answer after all, the end that offered still has what it needs to make its half of
the averaging good, and the two never differ for longer than they cannot speak.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from p2pfl_me.gossip.exchange import Content, carrying
from p2pfl_me.gossip.settings import REMEMBERED_ARRIVALS
from p2pfl_me.message import Kind, Message, Vector


@dataclass(slots=True)
class Offered:
    """An offer without a reply: `own` is the vector that was exchanged in its round, `content` what of it was sent."""

    round: int
    weight: float
    own: Vector = field(repr=False)
    content: Content = field(repr=False)
    asked: bool = False
    """Whether it was asked what became of it: an answer after that was there before, and says nothing of when."""

    def question(self, at: int) -> Message:
        """Asks whether the offer was answered; if it was not, it no longer stands. The sender stands in round `at`."""
        self.asked = True
        return Message(Kind.WITHDRAW, self.round, at)


@dataclass(slots=True)
class Edge:
    """What one end remembers. The higher id has `offered`, the lower one the rest of the exchange."""

    offered: Offered | None = None
    mail: Message | None = None
    """An offer that came before its round."""
    answered: tuple[int, Content] | None = None
    withdrawn: int = -1
    """The last round that the other end has withdrawn."""
    misses: int = 0
    """What did not come in time, as `misses` counts it."""
    arrivals: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED_ARRIVALS))
    """Seconds from the end of one's own training to the arrival of its model, in past rounds."""
    counted: int = -1
    """The last round whose model counted there; none counts twice, or saying it again would make deadlines good."""
    foretold: tuple[int, float, bool] = (0, float("-inf"), False)
    """For which round the other end has said that it will be ready, when, and whether it waits for another itself."""
    stood: tuple[int, float] = (0, float("-inf"))
    """The round in which it was last seen and not ahead, and when."""
    linked_since: bool = False
    """Whether the link has been up ever since `stood`."""

    def is_first(self, round: int) -> bool:
        """Whether no model of this round has counted yet; from now on one has."""
        first, self.counted = round > self.counted, max(round, self.counted)
        return first

    def ready_at(self, round: int) -> float:
        """When the other end will be ready to exchange `round`, by its own word; long ago if it has said nothing."""
        of, when, _ = self.foretold
        return when if of <= round else float("-inf")

    def reply(self, round: int, at: int) -> Message:
        """What the lower id says of an exchange that is over: the answer again, or that there was none."""
        if self.answered and self.answered[0] == round:
            return carrying(Kind.ANSWER, round, at, self.answered[1])
        return Message(Kind.SKIP, round, at)

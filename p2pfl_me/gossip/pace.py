"""What one peer has learned of time, on its own clock: how long neighbours take, and how long it takes itself."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from statistics import median

from p2pfl_me.gossip.catch_up import FASTER, Word, by_clock
from p2pfl_me.gossip.deadline import deadline, longest_s, settling_s
from p2pfl_me.gossip.edge import Edge
from p2pfl_me.gossip.misses import came
from p2pfl_me.gossip.settings import REMEMBERED_ARRIVALS, Settings


class Pace:
    """Deadlines from past arrivals, and the furthest that a neighbour can have come."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._arrivals: deque[float] = deque(maxlen=REMEMBERED_ARRIVALS)
        """Of all neighbours, for the first deadline of each."""
        self._work: deque[float] = deque(maxlen=REMEMBERED_ARRIVALS)
        self._ends: dict[int, float] = {}

    def trained(self, round: int, now: float) -> None:
        """One's own training of `round` has ended: from here arrivals are counted."""
        self._ends[round] = now
        self._ends.pop(round - REMEMBERED_ARRIVALS, None)

    def worked(self, seconds: float) -> None:
        """One's own round took so long without the waiting."""
        self._work.append(seconds)

    def arrived(self, edge: Edge, round: int, now: float, *, in_time: bool) -> None:
        """A neighbour's part of `round` is here, `in_time` for this peer's exchange or not.

        One that missed its deadline still teaches how long it takes, and is made good if it would now be waited for so
        long. What it says again teaches nothing.
        """
        if not edge.is_first(round):
            return
        if (end := self._ends.get(round)) is not None:
            edge.arrivals.append(now - end)
            self._arrivals.append(now - end)
            in_time = in_time or now - end <= self.wait_s(edge)
        if in_time:
            edge.misses = came(edge.misses)

    def wait_s(self, edge: Edge) -> float:
        """How long to wait for this neighbour from the end of one's own training, before it is asked or given up."""
        limits = self._settings
        return deadline(
            edge.arrivals or self._arrivals,
            min_s=limits.deadline_min_s,
            max_s=self.longest_s,
            mads=limits.deadline_mads,
        )

    def due(self, edge: Edge, round: int, now: float, since: float) -> float:
        """Until when to wait for this neighbour, in a round whose training ended at `since`.

        What it says of itself counts, and a shortest deadline more for its model to come. One that will not be ready in
        time is not waited for any longer because it says so; who waits for another is given more time than that other.
        """
        limits = self._settings
        usual = since + self.wait_s(edge)
        longest = since + limits.deadline_max_s - self.settling_s
        ready_at, (_, _, waits) = edge.ready_at(round), edge.foretold
        if not waits:
            longest = since + self.longest_s
        if not now < ready_at or (ready_at > longest and not waits):
            return usual
        return max(usual, min(ready_at + limits.deadline_min_s, longest))

    def too_late(self, edge: Edge, round: int, now: float) -> bool:
        """Whether this neighbour says itself that it will not be ready before it would be given up.

        One that waits for others says when that is over at the latest.
        """
        _, _, waits = edge.foretold
        return not waits and edge.ready_at(round) > now + self.longest_s

    def expected_at(self, edge: Edge, round: int, since: float) -> float:
        """When this neighbour's part of the round that was trained at `since` is likely to be here."""
        return max(edge.ready_at(round), since + (median(edge.arrivals) if edge.arrivals else 0.0))

    def known_at(self, edge: Edge, round: int, since: float) -> float:
        """The same, but for ever where nothing is known of this neighbour."""
        known = edge.arrivals or edge.ready_at(round) > -math.inf
        return self.expected_at(edge, round, since) if known else math.inf

    @property
    def work_s(self) -> float:
        """What a round takes this peer without the waiting; 0 while nothing is known."""
        return median(self._work) if self._work else 0.0

    @property
    def longest_s(self) -> float:
        """The longest wait for a neighbour's model."""
        return longest_s(self._settings.deadline_min_s, self._settings.deadline_max_s)

    @property
    def settling_s(self) -> float:
        """How long to wait for its reply once it was asked."""
        return settling_s(self._settings.deadline_min_s, self._settings.deadline_max_s)

    def words(
        self,
        edges: Mapping[int, Edge],
        claims: Mapping[int, int],
        own: int,
        now: float,
        row_at: Callable[[int], Mapping[int, float]],
    ) -> list[Word]:
        """What the neighbours' claims (where each says it stands) are worth to a peer whose next round is `own`."""
        return [self._word(edges[peer], peer, own, claim, now, row_at) for peer, claim in claims.items()]

    def _word(
        self, edge: Edge, peer: int, own: int, claim: int, now: float, row_at: Callable[[int], Mapping[int, float]]
    ) -> Word:
        """While it is linked a neighbour leaves this peer behind only by giving it up.

        That takes it a deadline for every round that both share. Where edges change, one that is ahead may have passed
        no such round.
        """
        meets = peer in row_at(own)
        if not any(peer in row_at(round) for round in range(own, claim)):
            return Word(min(claim, own), meets)
        since, when = edge.stood

        def furthest(faster: float) -> int:
            pace_s = min(self._work, default=float("inf")) / faster

            def cost_s(round: int) -> float:
                return self._settings.deadline_min_s if edge.linked_since and peer in row_at(round) else pace_s

            return by_clock(since, now - when, claim, cost_s)

        return Word(claim, meets, furthest(1.0), furthest(FASTER), edge.linked_since)

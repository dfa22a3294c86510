"""What a peer foretells its neighbours: how long it still takes, by its own clock, where that is long.

A neighbour that is slow, or that waits for one who is, looks the same from outside: nothing comes. So each says how
much longer it needs, for its training (LATER) or for whom it waits for and its training after that (WAITS), and is
waited for accordingly, within the contract's longest deadline. Seconds from now mean the same on every clock.
Peers that are quick say nothing.
"""

from __future__ import annotations

from p2pfl_me.gossip.settings import Settings

LONG = 0.5
"""Of the shortest deadline: what takes longer is foretold, so that the word comes in time."""
NEWS = 0.25
"""Of the shortest deadline: a word that puts the end off by less is not worth a message."""

MOST_S = 1e6


class Outlook:
    """When this peer has said that it will be ready."""

    def __init__(self, settings: Settings) -> None:
        self._min_s = settings.deadline_min_s
        self._told = float("-inf")

    @property
    def long_s(self) -> float:
        """What takes longer is foretold."""
        return LONG * self._min_s

    def word(self, now: float, seconds: float) -> int | None:
        """The milliseconds to foretell when this peer still needs so many seconds, None if there is no need to."""
        seconds = min(seconds, MOST_S)
        if seconds <= self.long_s or now + seconds <= self._told + NEWS * self._min_s:
            return None
        self._told = now + seconds
        return round(1000 * seconds)

"""Who has broken its word, and how long it is not relied on: twice as long each time, never for ever."""

from __future__ import annotations

LONGEST = 5
"""Doublings: nobody is doubted for more than 32 rounds."""


class Doubts:
    """What one peer remembers of neighbours that gave models and no pledges, which costs a sum each time."""

    def __init__(self) -> None:
        self._broken: dict[int, tuple[int, int]] = {}
        """neighbour -> how often in a row, and in which round last."""

    def broken(self, peer: int, round: int) -> None:
        times, _ = self._broken.get(peer, (0, 0))
        self._broken[peer] = times + 1, round

    def kept(self, peer: int) -> None:
        self._broken.pop(peer, None)

    def at(self, round: int) -> frozenset[int]:
        """Whom not to rely on in a round, if others are enough."""
        return frozenset(
            peer for peer, (times, last) in self._broken.items() if round <= last + 2 ** min(times - 1, LONGEST)
        )

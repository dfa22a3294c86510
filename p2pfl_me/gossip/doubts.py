"""Whom not to rely on for a sum, and how long: twice as long each time, never for ever.

Who gives a model and no pledge is known by name. A sum that is none was spoilt by one of its roster, and nobody can say
by whom: so one after the other is left off until a sum is one again. Then it was the one who is not in it. Of one that
spoils every sum a receiver loses one for each neighbour at most, and then ever fewer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

LONGEST = 5
"""Doublings: nobody is doubted for more than 32 rounds."""
NO_PLEDGE = "gave a model without its pledge before"
SPOILT = "may have spoilt a sum before"


class Doubts:
    """What one peer remembers of neighbours that cost it sums."""

    def __init__(self) -> None:
        self._broken: dict[int, tuple[int, int]] = {}
        """neighbour -> how often in a row, and in which round last."""
        self._spoilt: dict[int, tuple[int, int]] = {}
        self._suspects: frozenset[int] = frozenset()
        """One of them has spoilt the last sum."""

    def broken(self, peer: int, round: int) -> None:
        _count(self._broken, peer, round)

    def kept(self, peer: int) -> None:
        self._broken.pop(peer, None)

    def spoilt(self, by: Collection[int], round: int) -> None:
        """A sum was none, by one of these."""
        self._suspects = self._suspects & frozenset(by) or frozenset(by)
        self._convict(round)

    def sound(self, roster: Collection[int], round: int) -> None:
        """A sum of these was one."""
        self._suspects -= frozenset(roster)
        self._convict(round)
        for peer in self._spoilt.keys() & set(roster):
            times, last = self._spoilt.pop(peer)
            if times > 1:
                self._spoilt[peer] = times - 1, last

    def _convict(self, round: int) -> None:
        if len(self._suspects) == 1:
            (peer,) = self._suspects
            _count(self._spoilt, peer, round)
            self._suspects = frozenset()

    def at(self, round: int) -> Mapping[int, str]:
        """Whom not to rely on in a round, if others are enough, and why."""
        found = dict.fromkeys(_still(self._broken, round), NO_PLEDGE)
        found |= dict.fromkeys(_still(self._spoilt, round), SPOILT)
        if self._suspects:
            first = max(self._suspects, key=lambda peer: (self._spoilt.get(peer, (0, 0)), peer))
            found[first] = SPOILT
        return found


def _count(record: dict[int, tuple[int, int]], peer: int, round: int) -> None:
    times, _ = record.get(peer, (0, 0))
    record[peer] = times + 1, round


def _still(record: Mapping[int, tuple[int, int]], round: int) -> list[int]:
    return [peer for peer, (times, last) in record.items() if round <= last + 2 ** min(times - 1, LONGEST)]

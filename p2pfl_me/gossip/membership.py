"""Which neighbours are there: linked, greeted, gone for good, and how far each has come."""

from __future__ import annotations

from collections.abc import Iterable


class Membership:
    """The neighbours of one peer, as links and greetings tell."""

    def __init__(self, neighbours: Iterable[int]) -> None:
        self.neighbours = frozenset(neighbours)
        self._reachable: set[int] = set()
        self._greeted: set[int] = set()
        self._left: set[int] = set()
        self.rounds: dict[int, int] = {}
        """neighbour -> the round it stood in when it last greeted or spoke."""

    @property
    def there(self) -> frozenset[int]:
        """Those who can be spoken to and still take part."""
        return frozenset(self._reachable - self._left)

    @property
    def awaited(self) -> frozenset[int]:
        """Those who have neither greeted nor left."""
        return self.neighbours - self._greeted - self._left

    @property
    def ungreeted(self) -> frozenset[int]:
        """Those who are there and have not greeted yet."""
        return self.there - self._greeted

    @property
    def gone(self) -> frozenset[int]:
        """Those who have left."""
        return frozenset(self._left)

    def came_up(self, peer: int) -> None:
        self._reachable.add(peer)

    def went_down(self, peer: int) -> None:
        self._reachable.discard(peer)
        self._greeted.discard(peer)

    def greeted(self, peer: int, round: int) -> None:
        """A greeting opens a fresh link; its sender may have come back from an older checkpoint."""
        self._greeted.add(peer)
        self._left.discard(peer)
        self.rounds[peer] = round

    def excuse_greetings(self) -> None:
        """A link that is up is enough, should its greeting be lost."""
        self._greeted |= self._reachable

    def left(self, peer: int) -> None:
        self._left.add(peer)

    def why_absent(self, peer: int) -> str | None:
        """Why `peer` takes no part now, or None."""
        if peer in self._left:
            return "left"
        return None if peer in self._reachable else "unreachable"

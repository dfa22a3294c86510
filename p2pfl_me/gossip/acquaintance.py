"""Who knows whose key, before a model can be masked: each says its life's key to its neighbours, and each receiver
tells all of them the keys of the others (its *circle*)."""

from __future__ import annotations

from collections.abc import Collection

from p2pfl_me.errors import WireError
from p2pfl_me.gossip.protocol import Action, Send
from p2pfl_me.gossip.sums import Lives, Sums
from p2pfl_me.message import Kind, Message, Packed


class Acquaintance:
    """What one peer knows of keys, and what it says of them. Words that nobody sends raise `WireError`."""

    def __init__(self, sums: Sums) -> None:
        self._sums = sums
        self.lives: dict[int, bytes] = {}
        """The neighbours' keys: what a receiver's circle is."""
        self._circles: dict[int, Lives] = {}
        """Those that the neighbours, as receivers, have told of."""
        self.asks_at = 0.0
        """When keys that brought no circle are said again."""

    def by_all(self, peers: Collection[int], *, all_there: bool) -> bool:
        """Whether all of them know this life; `all_there`: and all of their neighbours."""
        return all(self._sums.knows(peer, self.circle_of(peer), all_there=all_there) for peer in peers)

    def circle_of(self, receiver: int) -> Lives:
        return self._circles.get(receiver, {})

    def met(self, peer: int, round: int) -> list[Action]:
        """What is said on a fresh link."""
        return [self.key(peer, round), *([self.circle(peer, round)] if self.lives else [])]

    def key(self, to: int, round: int) -> Send:
        return Send(to, Message(Kind.KEY, round, packed=self._sums.key))

    def circle(self, to: int, round: int) -> Send:
        return Send(to, Message(Kind.CIRCLE, round, packed=self._sums.say_lives(self.lives)))

    def heard_key(self, sender: int, content: Packed, round: int, there: Collection[int]) -> list[Action]:
        key = self._sums.read_key(sender, content)
        if self.lives.get(sender) == key:
            return [self.circle(sender, round)]  # it asks: a circle was lost, or came to an earlier life
        self.lives[sender] = key
        return [self.circle(peer, round) for peer in sorted(there)]

    def heard_circle(self, sender: int, content: Packed) -> list[Action]:
        self._circles[sender] = self._sums.read_lives(content)
        return []


def whole(content: Packed | None) -> Packed:
    """What a message carries. Raises `WireError` where it carries nothing."""
    if content is None:
        raise WireError("a word without its content")
    return content

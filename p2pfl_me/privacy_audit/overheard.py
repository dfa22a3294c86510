"""What a neighbour gets to see, as it travels: a core whose messages are noted, changed in nothing."""

from __future__ import annotations

from collections.abc import Sequence

from p2pfl_me.gossip.protocol import Action, Protocol, Send
from p2pfl_me.gossip.wrapped import Wrapped
from p2pfl_me.message import Vector

Shown = dict[tuple[int, int, int], Vector]
"""(receiver, sender, round) -> the vector that was sent, float32 (E,)."""


class Overheard(Wrapped):
    """`core` of `peer`; the whole models that it sends are noted in `shown`."""

    def __init__(self, core: Protocol, peer: int, shown: Shown) -> None:
        super().__init__(core)
        self._peer, self._shown = peer, shown

    def _out(self, actions: Sequence[Action]) -> list[Action]:
        for each in actions:
            if isinstance(each, Send) and each.message.params is not None:
                self._shown[each.to, self._peer, each.message.round] = each.message.params
        return list(actions)

"""When a peer that its neighbours refuse stops: they all have another contract, or know it by another key, and it has
met none of them. Nothing counts here but what a neighbour has said under its own key. No clock here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

from p2pfl_me.counting import many
from p2pfl_me.errors import ContractError
from p2pfl_me.wire.endpoint import Differs

RECENT_S = 60.0
"""For how long a refusal counts where contracts may change: who is there refuses every few seconds."""


class Refusals:
    """What `neighbours` have refused. Where contracts may change while they run, what is missing there may be on its
    way, and is waited for, `patience_s` from when all have refused; then, too, nobody trains alone to its end."""

    def __init__(self, neighbours: Collection[int], patience_s: float, say: Callable[[str], None]) -> None:
        self._neighbours, self._patience_s, self._say = frozenset(neighbours), patience_s, say
        self._by_key: dict[int, bool] = {}
        self._heard: dict[int, float] = {}
        self._since: float | None = None

    def take(self, now: float, news: Differs, *, may_change: bool) -> ContractError | None:
        """One more refusal, to a peer that has met nobody: the error that ends it, if it does."""
        self._by_key[news.peer], self._heard[news.peer] = news.by_key, now
        error = self.standing(now if may_change else -math.inf)
        if error is None or not may_change:
            return error
        if self._since is None:
            self._since = now
            on_its_way = "a change may be on its way that mends it; if all say so still"
            self._say(f"{error.what}; {on_its_way} when it would begin, or in {self._patience_s:g} s, it stops")
        return error if now - self._since >= self._patience_s else None

    def withdraw(self, peer: int) -> None:
        """It refuses this peer no more."""
        self._by_key.pop(peer, None)
        if self._heard.pop(peer, None) is not None:
            self._since = None

    def standing(self, now: float) -> ContractError | None:
        """Why nobody is left to train with, where all have refused just now."""
        if not self._neighbours or not self._neighbours <= self._heard.keys():
            return None
        if min(self._heard[each] for each in self._neighbours) < now - RECENT_S:
            return None
        return _refused_by_all({each: self._by_key[each] for each in sorted(self._neighbours)})


def _refused_by_all(neighbours: Mapping[int, bool]) -> ContractError:
    """Whom all refuse has nobody to wait for; by key or by contract, whose it is."""
    keys = [each for each, by_key in neighbours.items() if by_key]
    others = [each for each, by_key in neighbours.items() if not by_key]
    said = []
    if others:
        said.append(f"{many(len(others), 'neighbour', 'have')} another contract than this peer ({_listed(others)})")
    if keys:
        said.append(f"{many(len(keys), 'neighbour', 'know')} this peer by another key ({_listed(keys)})")
    return ContractError(
        f"{', and '.join(said)}; there is no other",
        fix="compare files and fingerprints (lines `refused` above name what differs); then give the same command "
        "again, with another --out if this one's was wrong",
    )


def _listed(peers: Collection[int]) -> str:
    return ", ".join(map(str, peers))

"""Everybody's work as a budget (`training.until.work`): rounds that all peers together have trained. Pure.

Each peer tells its neighbours how many rounds each peer has trained, as far as it knows: counts that only grow, merged
by their maximum, so that neither order nor repetition matters (a grow-only counter). Nobody can check what another has
trained, so no peer counts for more than is borne out: the second largest of one's own count and those that the
neighbours name as their own. One liar among them thus makes everybody look as fast as somebody else is, and no faster.

Whoever is slow among slow neighbours counts too little by that rule and goes on, which hours or rounds end; it also
stops once more than half of its neighbours have left and, by all that was said, the work is done.
"""

from __future__ import annotations

from collections.abc import Collection

from p2pfl_me.gossip.protocol import Action, Send
from p2pfl_me.message import Kind, Message

AT_A_TIME = 64
"""Counts told to a neighbour at a time; the others follow after the next round."""


class Work:
    """What peer `me` knows of everybody's work. `whole` None: there is no such budget, and nothing is said of it."""

    def __init__(self, me: int, whole: int | None, everyone: frozenset[int]) -> None:
        self._me, self._whole, self._everyone = me, whole, everyone
        self._said: dict[int, int] = {}
        """peer -> rounds that it is said to have trained."""
        self._own_words: dict[int, int] = {}
        """neighbour -> what it says of itself."""
        self._told: dict[int, dict[int, int]] = {}
        """neighbour -> what it was told."""

    def hear(self, sender: int, peer: int, rounds: int) -> None:
        """A neighbour says how many rounds `peer` has trained."""
        if self._whole is None or peer not in self._everyone or peer == self._me:
            return
        self._said[peer] = max(rounds, self._said.get(peer, 0))
        if peer == sender:
            self._own_words[peer] = max(rounds, self._own_words.get(peer, 0))

    def forget(self, neighbour: int) -> None:
        """A fresh link: it may know nothing of what it was told before."""
        self._told.pop(neighbour, None)

    def news(self, own: int, neighbours: Collection[int], *, all_of_it: bool = False) -> list[Action]:
        """What the neighbours have not been told yet, when this peer has trained `own` rounds."""
        if self._whole is None:
            return []
        counts = {**self._believed(own), self._me: own}
        sends: list[Action] = []
        for neighbour in sorted(neighbours):
            told = self._told.setdefault(neighbour, {})
            fresh = [peer for peer, count in sorted(counts.items()) if count > told.get(peer, 0) and peer != neighbour]
            fresh.sort(key=lambda peer: (peer != self._me, told.get(peer, 0), peer))
            for peer in fresh if all_of_it else fresh[:AT_A_TIME]:
                told[peer] = counts[peer]
                sends.append(Send(neighbour, Message(Kind.WORK, peer, counts[peer])))
        return sends

    def over(self, own: int, neighbours: Collection[int], left: Collection[int]) -> bool:
        """Whether all together have done it; `left`: those of the neighbours that have said goodbye."""
        if self._whole is None:
            return False
        if own + sum(self._believed(own).values()) >= self._whole:
            return True
        return 2 * len(left) > len(neighbours) and own + sum(self._said.values()) >= self._whole

    def _believed(self, own: int) -> dict[int, int]:
        borne_out = sorted((own, *self._own_words.values()))[-2:][0]
        return {peer: min(count, borne_out) for peer, count in self._said.items()}

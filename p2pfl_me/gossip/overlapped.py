"""D-PSGD whose models travel while the next ones are trained, as a pure state machine.

A round exchanges the model that it starts from, and so can begin at once: offers go out before the training, answers
come during it, and at its end only what is still under way is waited for. Everything else is D-PSGD's: the atomic
exchange on an edge, late answers as corrections, deadlines from the end of one's own training. So is the last round,
whose training has no other round beside which to travel.
"""

from __future__ import annotations

import math

from p2pfl_me.gossip.dpsgd import DPSGD
from p2pfl_me.gossip.life import Phase
from p2pfl_me.gossip.misses import NEEDS_MORE
from p2pfl_me.gossip.protocol import Action, Send, SetTimer, Timer
from p2pfl_me.gossip.rules import sent_of
from p2pfl_me.message import Kind, Message, Vector


class Overlapped(DPSGD):
    """One peer's core; its rule exchanges what was there before the training (`Rule.outgoing` asks only for `start`).

    A neighbour that is not there when a round begins is left out of it, even if it comes while the round trains.
    """

    @property
    def waiting_for(self) -> frozenset[int]:
        """Nobody while it trains."""
        return frozenset() if self._phase is Phase.TRAINING else super().waiting_for

    def on_trained(self, now: float, params: Vector) -> list[Action]:
        """Local training of this round has ended with `params`."""
        if self._phase is not Phase.TRAINING:
            return []
        if self._is_last:
            return super().on_trained(now, params)
        self._phase = Phase.EXCHANGING
        self._trained, self._trained_at = params, now
        self._pace.trained(self.round, now)
        given_up: list[Action] = []
        for peer in sorted(self._due):
            edge = self._edges[peer]
            if self.me < peer and self._pace.too_late(edge, self.round, now):
                del self._due[peer]
                self._missing[peer] = NEEDS_MORE
                given_up.append(Send(peer, Message(Kind.SKIP, self.round, self.round)))
            else:
                self._due[peer] = self._pace.due(edge, self.round, now, now)
        return [*given_up, *self._next_deadline(), *self._mix_if_settled(now), *self._foretell_wait(now)]

    def _begin(self, now: float, round: int) -> list[Action]:
        begun = super()._begin(now, round)
        if self._phase is not Phase.TRAINING or self._is_last:
            return begun
        self._out = sent_of(self._rule, self.round, self._params, self._params, self._settings.largest_norm)
        self._missing, self._due = {}, {}
        exchanged = self._exchange(now)
        # From the end of the training on somebody is waited for, and not before.
        self._due = dict.fromkeys(self._due, math.inf)
        return [*exchanged, *begun]

    def _next_deadline(self) -> list[Action]:
        return super()._next_deadline() if self._phase is Phase.EXCHANGING else []

    def _is_settled(self, peer: int) -> bool:
        beside = self._phase is Phase.TRAINING and not self._is_last
        return (beside and peer not in self._due) or super()._is_settled(peer)

    def _foretell_training(self, now: float, expected_s: float) -> list[Action]:
        """What is trained now is what the next round exchanges."""
        if self._is_last:
            return super()._foretell_training(now, expected_s)
        again_at = now + max(expected_s, self._outlook.long_s)
        later = self._foretell(now, expected_s, Kind.LATER, self.round + 1)
        return [*later, SetTimer(Timer.LONG, self.round, again_at)]

"""Noises for a peer's neighbours that take themselves back, weighted as the neighbours average them.

Let v_k be the weight with which neighbour k takes this peer's model, and v_0 its own. Independent n_k ~ N(0, s^2 I)
are drawn for all of them, and what lies along v is taken out: z_k = n_k - v_k (v . n) / |v|^2, so that sum_k v_k z_k =
0 (Zip-DL: Biswas et al., PoPETs 2025; with equal weights it is their n_k minus the mean). A single z_k is N(0, s^2 (1 -
v_k^2 / |v|^2)); s is such that none has a deviation below what was asked for. All neighbours together know the noises
but for the one that stays at home, so even they have no model without noise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import sqrt

import numpy as np

from p2pfl_me.message import Vector
from p2pfl_me.privacy.randomness import Stream

HOME = -1
"""Instead of a neighbour's id: the draw that stays at home."""


class ZeroSumNoise:
    """One life's. `secret`: 32 bytes that nobody else knows."""

    def __init__(self, me: int, secret: bytes, deviation: float) -> None:
        self._me, self._secret, self._deviation = me, secret, deviation

    def over(self, round: int, own: Vector, row: Mapping[int, float]) -> dict[int, Vector]:
        """`own`, float32 (P,), as each neighbour of a round's `row` (neighbour -> weight) gets to see it: new vectors.

        The home share counts as at least the heaviest neighbour's, so that no noise has to be large for another's sake;
        what stays at home is taken back by whoever averages: minus the weighted sum of what lay over those vectors.
        Asked again for a round, it says the same.
        """
        if not row:
            return {}
        home = max(1 - sum(row.values()), *map(abs, row.values()))
        square = home**2 + sum(weight**2 for weight in row.values())
        largest = max(weight**2 for weight in row.values())
        deviation = self._deviation / sqrt(1 - largest / square)
        along = self._drawn(own.size, round, HOME, deviation)
        along *= np.float32(home)
        made, room = {}, np.empty_like(along)
        for peer in sorted(row):
            made[peer] = self._drawn(own.size, round, peer, deviation)
            along += np.multiply(made[peer], np.float32(row[peer]), out=room)
        for peer, noise in made.items():
            noise -= np.multiply(along, np.float32(row[peer] / square), out=room)
            noise += own
        return made

    def _drawn(self, size: int, round: int, to: int, deviation: float) -> Vector:
        key = hashlib.sha256(self._secret + repr(("zero-sum noise", self._me, round, to)).encode()).digest()
        noise = np.empty(size, np.float32)
        Stream(key).normal(noise, deviation)
        return noise

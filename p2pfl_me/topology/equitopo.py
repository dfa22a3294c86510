"""EquiTopo: sums and draws of random shifts of a circle, whose consensus rate does not depend on the number of peers.

Song, Li, Jin, Shi, Yan, Yin, Yuan, "Communication-efficient topologies for decentralized learning with O(1) consensus
rate", NeurIPS 2022. A basis matrix is A(u) = ((n - 1) / n) P^u + I / n, where P^u moves everyone's model u places on.
Shifts and weights only, no matrix.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count as integers
from random import Random

from p2pfl_me.choice import derive_seed

HALF = 0.5
"""What one gives another in EquiDyn. The paper's W is (1 - eta) I + eta A(u) with eta free in (0, 1]; eta =
n / (2 (n - 1)) makes it (I + P^u) / 2, the one that leaves the least of the consensus distance in expectation."""


def default_shifts(count: int) -> int:
    """ceil(log2 n), 1 at least: as many as the exponential graph has, so that the two can be compared."""
    return max(1, (count - 1).bit_length())


def basis(count: int, shifts: int, seed: int) -> tuple[int, ...]:
    """`shifts` draws from 1..count-1, with replacement as in the paper; empty for a single peer.

    Drawn again from the next seed until they and `count` have no common divisor, without which the circle would fall
    into parts.
    """
    if count == 1:
        return ()
    for attempt in integers():
        rng = Random(derive_seed(seed, "topology", "equitopo", attempt))
        drawn = tuple(1 + int(rng.random() * (count - 1)) for _ in range(shifts))
        if math.gcd(count, *drawn) == 1:
            return drawn
    raise AssertionError("some draw holds a shift that has no divisor in common with the number of peers")


def static_shares(count: int, drawn: Sequence[int]) -> Mapping[int, float]:
    """D-EquiStatic, W = mean of A(u) over the drawn shifts: {shift: share that a peer gives whom it leads to}."""
    each = (count - 1) / count / max(1, len(drawn))
    return {shift: each * times for shift, times in sorted(Counter(drawn).items())}


def static_weights(count: int, drawn: Sequence[int]) -> Mapping[int, float]:
    """U-EquiStatic, (W + W^T) / 2 of D-EquiStatic: {distance around the circle in 1..n/2: weight of such an edge}."""
    weights: dict[int, float] = {}
    for shift, share in static_shares(count, drawn).items():
        distance = min(shift, count - shift)
        # Half way around the circle, there and back are one edge, which then carries both halves.
        weights[distance] = weights.get(distance, 0.0) + (share if 2 * shift == count else share / 2)
    return dict(sorted(weights.items()))


def dynamic_shift(count: int, drawn: Sequence[int], seed: int, round: int) -> tuple[int, int]:
    """The shift of one round of EquiDyn and the peer where its matching begins.

    From `drawn`, or, if that is empty, from all of 1..count-1 (the paper's complete case, M = n - 1). `count` >= 2.
    """
    rng = Random(derive_seed(seed, "topology", "equi_dynamic", round))
    place = rng.random()
    shift = drawn[int(place * len(drawn))] if drawn else 1 + int(place * (count - 1))
    return shift, int(rng.random() * count)


def matching(count: int, shift: int, start: int) -> list[tuple[int, int]]:
    """OU-EquiDyn's pairs (a, b), a < b, sorted: from `start` on, each still alone takes whom `shift` leads it to.

    Nobody is in two pairs; every peer that is left alone has both its places around the circle taken, so at least
    n / 3 pairs form.
    """
    alone = [True] * count
    pairs = []
    for step in range(count):
        peer = (start + step) % count
        other = (peer + shift) % count
        if alone[peer] and alone[other]:
            alone[peer] = alone[other] = False
            pairs.append((min(peer, other), max(peer, other)))
    return sorted(pairs)

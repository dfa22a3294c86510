"""D-PSGD's exchange where an edge carries some values of a model, in every round the same ones, and no others.

For each coordinate c, an edge that does not carry c is an edge that failed there, and its weight returns to the
diagonal of W: by the loss rule W stays symmetric and doubly stochastic in every coordinate. So the average of c over
its holders is kept, and where the edges that carry c connect them, each agrees on that average.

Two contracts exchange like this: peers of different widths, an edge of which carries what its narrower end holds
(HeteroFL without a server: Diao et al., ICLR 2021; slices are nested, so both ends share the narrower one), and peers
that show each neighbour a sub-model only (`privacy.exchange: submodels`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from p2pfl_me.aggregation import Mixture
from p2pfl_me.gossip.exchange import Content
from p2pfl_me.gossip.protocol import NOTHING, Memory
from p2pfl_me.message import MAX_WEIGHT, Packed, Places, Vector
from p2pfl_me.widths import held


class Sliced:
    """One peer's edges: `places`, by neighbour, is what travels between the two, as its float32 bytes, so that each
    edge may carry another size. `weigh`: the weight of a neighbour in a round, where it is another than the row's."""

    def __init__(self, places: Mapping[int, Places], weigh: Callable[[int, int], float] | None = None) -> None:
        self._places, self._weigh = places, weigh

    def pack(self, peer: int, round: int, own: Vector) -> Content:
        return np.ascontiguousarray(own[self._places[peer]], dtype="<f4").view(np.uint8)

    def fault(self, peer: int, round: int, content: Content) -> str | None:
        due = 4 * self._places[peer].size
        if content.dtype != np.uint8 or content.size != due:
            return f"a slice of {content.nbytes} bytes where {due} were due"
        values = values_of(content)
        with np.errstate(invalid="ignore", over="ignore"):
            sound = float(np.linalg.norm(values)) <= MAX_WEIGHT  # NaN is not
        return None if sound else "a slice with NaN, infinite or absurd weights"

    def average(
        self, own: Vector, row: Mapping[int, float], round: int, sent: Mapping[int, Content], got: Mapping[int, Content]
    ) -> Mixture:
        mixed, distance, weights = own.copy(), dict[int, float](), dict[int, float]()
        for peer in sorted(got):
            places = self._places[peer]
            mine = own[places]
            difference = values_of(got[peer]) - mine
            distance[peer] = float(np.linalg.norm(difference)) / (float(np.linalg.norm(mine)) or 1.0)
            weights[peer] = self._weigh(peer, round) if self._weigh else row[peer]
            mixed[places] += np.float32(weights[peer]) * difference
        return Mixture(mixed, distance, weights)

    def correction(self, peer: int, round: int, weight: float, own: Vector, sent: Content, got: Content) -> Vector:
        places, found = self._places[peer], np.zeros_like(own)
        weight = self._weigh(peer, round) if self._weigh else weight
        found[places] = np.float32(weight) * (values_of(got) - own[places])
        return found

    def memory(self) -> Memory:
        return NOTHING


def by_width(me: int, shapes: Sequence[tuple[int, ...]], widths: Mapping[int, float]) -> dict[int, Places]:
    """What each edge of `me` carries where peers have these `widths`, its own among them, of a model of tensors of
    `shapes`."""
    places = {width: np.flatnonzero(held(shapes, width)) for width in {min(widths[me], w) for w in widths.values()}}
    return {peer: places[min(widths[me], width)] for peer, width in widths.items()}


def values_of(content: Content) -> Vector:
    """float32 values of a slice as it travels."""
    return cast(Packed, content).view("<f4")

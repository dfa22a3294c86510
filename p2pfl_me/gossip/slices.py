"""D-PSGD's exchange between peers of different widths: what an edge's narrower end holds travels, and nothing else.

HeteroFL (Diao et al., ICLR 2021) without a server. Slices are nested, so both ends of an edge share the narrower one.
For each coordinate c, the loss rule makes W symmetric and doubly stochastic on the peers that hold c: an edge to a peer
without c is an edge that failed there, and its weight returns to the diagonal. So the average of c over its holders is
kept, and where the holders of every slice are connected, each agrees on that average (HeteroFL's own average over those
that have it, approached instead of taken).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from p2pfl_me.aggregation import Mixture
from p2pfl_me.gossip.exchange import Content
from p2pfl_me.gossip.protocol import NOTHING, Memory
from p2pfl_me.message import MAX_WEIGHT, Packed, Vector
from p2pfl_me.widths import held

Places = npt.NDArray[np.int64]


class Sliced:
    """One peer's edges. Slices travel as their float32 bytes, so that each edge may carry another size.

    Parameters
    ----------
    shapes:
        The tensors of the full model.
    widths:
        The width of every peer that this one may meet, and its own.
    """

    def __init__(self, me: int, shapes: Sequence[tuple[int, ...]], widths: Mapping[int, float]) -> None:
        places = {width: np.flatnonzero(held(shapes, width)) for width in {min(widths[me], w) for w in widths.values()}}
        self._places: dict[int, Places] = {peer: places[min(widths[me], width)] for peer, width in widths.items()}

    def pack(self, peer: int, round: int, own: Vector) -> Content:
        return np.ascontiguousarray(own[self._places[peer]], dtype="<f4").view(np.uint8)

    def fault(self, peer: int, round: int, content: Content) -> str | None:
        due = 4 * self._places[peer].size
        if content.dtype != np.uint8 or content.size != due:
            return f"a slice of {content.nbytes} bytes where {due} were due"
        values = _values(content)
        with np.errstate(invalid="ignore"):
            sound = bool((np.abs(values) <= MAX_WEIGHT).all())  # NaN is not
        return None if sound else "a slice with NaN, infinite or absurd weights"

    def average(
        self, own: Vector, row: Mapping[int, float], round: int, sent: Mapping[int, Content], got: Mapping[int, Content]
    ) -> Mixture:
        mixed, distance = own.copy(), {}
        for peer in sorted(got):
            places = self._places[peer]
            mine = own[places]
            difference = _values(got[peer]) - mine
            distance[peer] = float(np.linalg.norm(difference)) / (float(np.linalg.norm(mine)) or 1.0)
            mixed[places] += np.float32(row[peer]) * difference
        return Mixture(mixed, distance, {peer: row[peer] for peer in distance})

    def correction(self, peer: int, round: int, weight: float, own: Vector, sent: Content, got: Content) -> Vector:
        places, found = self._places[peer], np.zeros_like(own)
        found[places] = np.float32(weight) * (_values(got) - own[places])
        return found

    def memory(self) -> Memory:
        return NOTHING


def _values(content: Content) -> Vector:
    return cast(Packed, content).view("<f4")

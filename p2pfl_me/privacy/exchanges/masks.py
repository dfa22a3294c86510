"""Masks between a receiver's neighbours: it learns their weighted sum and no single model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from p2pfl_me.keyring import Keyring
from p2pfl_me.message import MAX_WEIGHT
from p2pfl_me.privacy.exchanging import HONEST, HONEST_PAIR, ExchangeForm
from p2pfl_me.privacy.fixed_point import FixedPoint

if TYPE_CHECKING:
    from p2pfl_me.privacy.masked_sums import MaskedSums

A_PEER = 92
"""Bytes of the longest word about masks for each of a receiver's neighbours (`mask_words`)."""
REACH = {8: 1.0, 16: 8.0, 32: 1000.0}
"""Values beyond are cut to it; what a word of so many bits leaves room for."""


class Masks(ExchangeForm):
    """`colluders`: so many others may tell a receiver all that they know, their own sums included, and it still learns
    no sum or difference of fewer than three honest models (of two under `allow_pairs`). `bits` of a value on the wire;
    `reach`: values beyond are cut to it (1000 with 32 bits, 8 with 16, 1 with 8).
    """

    kind: Literal["masks"] = "masks"
    sums_only: ClassVar[bool] = True
    needs_keys: ClassVar[bool] = True
    colluders: Annotated[int, Field(ge=0, le=100)] = 0
    allow_pairs: bool = False
    bits: Literal[8, 16, 32] = 32
    reach: Annotated[float, Field(gt=0, le=MAX_WEIGHT)] | None = None

    @property
    def honest(self) -> int:
        return HONEST_PAIR if self.allow_pairs else HONEST

    @property
    def least(self) -> int:
        return self.colluders + self.honest

    @property
    def expects_collusion(self) -> bool:
        return self.colluders > 0

    def least_where(self, common: int, all_meet: int | None) -> int:
        """So many that `colluders` + 1 receivers who put their sums together find no combination of fewer honest
        models, whomever each of them leaves out.

        A combination of the sums of m receivers, each of h honest models, has m h terms, of which those cancel at most
        that two of the m have in common: `common` a pair, on both sides. Where all meet all, every two sums have nearly
        all in common; so nobody is left out, and then they are one and the same sum.
        """
        if all_meet is not None:
            return max(self.least, all_meet)
        fewest = (-(-(self.honest + common * m * (m - 1)) // m) for m in range(1, self.colluders + 2))
        return self.colluders + max(fewest)

    def limit(self, size: int, peers: int) -> int:
        return size * self.bits // 8 + A_PEER * peers + 100

    def point(self, terms: int) -> FixedPoint:
        """How values become words, for sums of at most so many terms."""
        return FixedPoint(self.bits, self.reach or REACH[self.bits], terms)

    def error(self, terms: int) -> float:
        return self.point(terms).error

    def sums(
        self, me: int, keys: Keyring, around: Mapping[int, frozenset[int]], least: int, terms: int, seed: int
    ) -> MaskedSums:
        from p2pfl_me.privacy.masked_sums import MaskedSums

        return MaskedSums(me, keys, self.point(terms), least, around, seed)

"""Sums under the receiver's own key, which its neighbours make one after the other (homomorphic encryption)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import field_validator

from p2pfl_me.choice.part import Conflict
from p2pfl_me.keyring import Keyring
from p2pfl_me.privacy.additive import Ring
from p2pfl_me.privacy.exchanging import HONEST, HONEST_PAIR, ExchangeForm
from p2pfl_me.privacy.fixed_point import FixedPoint

if TYPE_CHECKING:
    from p2pfl_me.privacy.chain import ChainedSums

REACH = 1000.0
"""Values beyond are cut to it."""
HEADS = 100
"""Bytes of a word beside its roster, its ciphertexts and its key."""


class Ckks(ExchangeForm):
    """A receiver's neighbours add up their models under its key, in a chain, and it decrypts the sum.

    `degree`: of the ring; a ciphertext holds half as many values, at 28 bytes each. `allow_pairs`: a sum of two will
    do. There is no number of colluders to choose: none are stood.
    """

    kind: Literal["ckks"] = "ckks"
    sums_only: ClassVar[bool] = True
    needs_keys: ClassVar[bool] = True
    transfers: ClassVar[int] = 2
    degree: Literal[4096, 8192] = 8192
    allow_pairs: bool = False
    colluders: int = 0

    @field_validator("colluders")
    @classmethod
    def _none(cls, value: int) -> int:
        if value:
            raise Conflict(
                f"a chain of ciphertexts stands no colluders, and {value} are asked for: a neighbour that tells the "
                "receiver what it was handed shows it the sum of those before it",
                "leave colluders out, or take privacy.exchange: {kind: masks, colluders: 1}",
            )
        return value

    @property
    def least(self) -> int:
        return HONEST_PAIR if self.allow_pairs else HONEST

    @property
    def ring(self) -> Ring:
        return Ring(self.degree)

    def limit(self, size: int, peers: int) -> int:
        from p2pfl_me.privacy.chain import A_LIFE

        return max(self.ring.bytes_of(size), self.ring.key) + A_LIFE * peers + HEADS

    def point(self, terms: int) -> FixedPoint:
        """How values become words, for sums of at most so many terms: as under masks of 32 bits."""
        return FixedPoint(32, REACH, terms)

    def error(self, terms: int) -> float:
        return self.point(terms).error

    @property
    def is_installed(self) -> bool:
        from p2pfl_me.privacy.ckks import has_ckks

        return has_ckks()

    def require_installed(self) -> None:
        from p2pfl_me.privacy.ckks import require_ckks

        require_ckks()

    def sums(
        self, me: int, keys: Keyring, around: Mapping[int, frozenset[int]], least: int, terms: int, seed: int
    ) -> ChainedSums:
        from p2pfl_me.privacy.additive import InClear
        from p2pfl_me.privacy.chain import ChainedSums
        from p2pfl_me.privacy.ckks import Ckks as Tenseal

        cipher = InClear(self.ring) if keys.rehearsed else Tenseal(self.ring, terms)
        return ChainedSums(me, keys, self.point(terms), least, around, cipher)

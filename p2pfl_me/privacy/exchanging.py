"""The seam of what a neighbour gets to see: what a contract's `privacy.exchange` names. One kind a file in
`exchanges/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from p2pfl_me.choice import Choice, Registry
from p2pfl_me.keyring import Keyring
from p2pfl_me.message import Places

if TYPE_CHECKING:
    from p2pfl_me.privacy.chain import ChainedSums
    from p2pfl_me.privacy.masked_sums import MaskedSums
    from p2pfl_me.privacy.zero_sum_noise import ZeroSumNoise

HONEST, HONEST_PAIR = 3, 2
"""Honest models that a sum must hold at least."""


class ExchangeForm(Choice):
    """In which form models go to the neighbours."""

    what: ClassVar[str] = "exchange"
    sums_only: ClassVar[bool] = False
    """A receiver learns the weighted sum of its neighbours' models, and no single one."""
    own_noise: ClassVar[bool] = False
    """Every neighbour gets the model under noise of its own."""
    parts_only: ClassVar[bool] = False
    """A neighbour gets the values of some places, in every round the same ones, and no other's."""
    needs_keys: ClassVar[bool] = False
    """What hides a model is drawn from secrets of the peer's life, and another for each neighbour."""

    transfers: ClassVar[int] = 1
    """Messages as large as a model that an edge carries in a round, each way."""

    def limit(self, size: int, peers: int) -> int:
        """The most bytes of a message about `size` exchanged values in a run of `peers`, 0 for plain float32."""
        return 0

    @property
    def least(self) -> int:
        """The fewest models that a sum may hold, on whatever graph."""
        return 1

    @property
    def expects_collusion(self) -> bool:
        """Whether some neighbours may tell a receiver what they have learned, so that the graph decides, too."""
        return False

    def least_where(self, common: int, all_meet: int | None) -> int:
        """The fewest models that a sum may hold where no two peers have more than `common` neighbours in common, or
        where each peer has all `all_meet` others as its neighbours, with equal weights."""
        return self.least

    def error(self, terms: int) -> float:
        """The most by which a value of a sum of so many models may miss, but for float32's own rounding."""
        return 0.0

    @property
    def carried_by(self) -> tuple[str, ...]:
        wanted = {"sums": self.sums_only, "noise": self.own_noise, "dealt": self.parts_only}
        return tuple(name for name, asked in wanted.items() if asked)

    @property
    def is_installed(self) -> bool:
        """Whether `require_installed` would find nothing missing."""
        return True

    def require_installed(self) -> None:
        """See that real peers have what hides their models. Raises `P2pmeError` with the line that installs it."""

    def sums(
        self, me: int, keys: Keyring, around: Mapping[int, frozenset[int]], least: int, terms: int, seed: int
    ) -> MaskedSums | ChainedSums:
        """What hides one life's models and opens its sums.

        `around`: receiver -> its neighbours; `least` and `terms`: the fewest and the most models in any sum; `seed`:
        the contract's, for rounding.
        """
        raise self.unfinished("sums")

    def noise(self, me: int, keys: Keyring) -> ZeroSumNoise:
        """What one life lays over its models."""
        raise self.unfinished("noise")

    @property
    def part_count(self) -> int:
        """To how many parts a model's places are dealt."""
        return 1

    def dealt(self, size: int, seed: int) -> tuple[Places, ...]:
        """The places of each part of a vector of `size` values, ascending; every place is in one of them."""
        raise self.unfinished("dealt")


EXCHANGES = Registry(ExchangeForm, "p2pfl_me.privacy.exchanges")
"""Every form by its name in the contract."""

"""Noise of its own for every neighbour, which all together takes itself back (Zip-DL: Biswas et al., PoPETs 2025)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from p2pfl_me.keyring import Keyring
from p2pfl_me.message import MAX_WEIGHT
from p2pfl_me.privacy.exchanging import ExchangeForm

if TYPE_CHECKING:
    from p2pfl_me.privacy.zero_sum_noise import ZeroSumNoise


class ZeroSum(ExchangeForm):
    """Each neighbour gets the model under Gaussian noise of its own; weighted as they are averaged, all of a peer's
    noises and the one that it keeps sum to nothing, so the average of all models is what it would have been.

    `deviation`: the least standard deviation of what lies over a value that a neighbour sees. This is no differential
    privacy: nothing is counted and no epsilon is claimed.
    """

    kind: Literal["zero_sum"] = "zero_sum"
    own_noise: ClassVar[bool] = True
    needs_keys: ClassVar[bool] = True
    deviation: Annotated[float, Field(gt=0, le=MAX_WEIGHT / 1000)] = 0.05

    def noise(self, me: int, keys: Keyring) -> ZeroSumNoise:
        from p2pfl_me.privacy.zero_sum_noise import ZeroSumNoise

        return ZeroSumNoise(me, keys.life, self.deviation)

"""Noise before sharing (NbAFL: Wei et al., IEEE TIFS 2020), with K peers drawn at random for each round.

The paper takes 2C / m for what one of m samples may change of a model cut to norm C, as if a model were the mean of
models of one sample each. Training by gradients gives no such bound. What holds for any training is that two data sets
move a model, whose change is cut to C, at most 2C apart: so this hides the whole data of a lab, and with them each of
its subjects and clips, at the price of that much more noise.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from p2pfl_me.choice import PositiveInt, derive_seed
from p2pfl_me.message import Vector
from p2pfl_me.privacy.accounting import Release, least_noise
from p2pfl_me.privacy.dp_sgd import Multiplier
from p2pfl_me.privacy.noising import Cover, Place, SharedNoise, composed, cut, rounds_paid


class BeforeSharing(SharedNoise):
    """What a round's training changed is cut to `norm`, and Gaussian noise is laid over it.

    `noise`: standard deviation in multiples of the sensitivity, 2 `norm`; left out, the least with which the budget
    lasts. `drawn`: so many peers train in a round, drawn from the contract's seed; the others pass on what they mixed.
    """

    kind: Literal["before_sharing"] = "before_sharing"
    norm: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    noise: Multiplier | None = None
    drawn: PositiveInt | None = None

    @property
    def draws(self) -> bool:
        return self.drawn is not None

    def at(self, place: Place) -> Cover:
        return _AtPeer(self, place)


class _AtPeer:
    def __init__(self, kind: BeforeSharing, place: Place) -> None:
        self._kind, self._place = kind, place
        times = rounds_paid(place.rounds, self.trains)
        if kind.noise is not None or not times:
            self._noise = kind.noise or 1.0
        else:
            assert place.budget is not None
            self._noise = least_noise(
                place.budget.epsilon, place.budget.delta, lambda noise: composed(Release(noise), times)
            )

    def trains(self, round: int) -> bool:
        place, drawn = self._place, self._kind.drawn
        if drawn is None or drawn >= place.count:
            return True
        order = np.random.default_rng(derive_seed(place.seed, "drawn peers", round)).permutation(place.count)
        return place.peer in order[:drawn]

    def price(self, round: int, again: bool) -> Release | None:
        return Release(self._noise)

    def over(self, round: int, again: bool, start: Vector, trained: Vector) -> Vector:
        noise = np.empty_like(trained)
        deviation = self._noise * 2 * self._kind.norm
        self._place.randomness.stream("cover", self._place.peer, round).normal(noise, deviation)
        noise += cut(start, trained, self._kind.norm)
        return noise

"""One life's masks, as its core needs them: what it gives, what it pledges, what it sums."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from p2pfl_me.choice import derive_seed
from p2pfl_me.keyring import Keyring
from p2pfl_me.message import Packed, Vector
from p2pfl_me.privacy.circles import Lives
from p2pfl_me.privacy.fixed_point import FixedPoint
from p2pfl_me.privacy.mask_keys import MaskKeys
from p2pfl_me.privacy.mask_words import Masked, Pledge
from p2pfl_me.privacy.masks import Giver, Summer, read_lives, read_pledge, say_lives


class MaskedSums:
    """`gossip.masked.Sums` by masks. Parameters as for `masks.Giver`; `seed`: the contract's, for rounding."""

    def __init__(
        self,
        me: int,
        ring: Keyring,
        point: FixedPoint,
        least: int,
        around: Mapping[int, frozenset[int]],
        seed: int,
    ) -> None:
        keys = MaskKeys(me, ring)
        self.public, self.key, self.least = keys.public, np.frombuffer(keys.public, np.uint8), least
        self._me, self._around, self._seed, self.largest = me, around, seed, point.largest
        self._giver, self._summer = Giver(me, keys, point, least, around), Summer(point, least)
        self.read_lives, self.say_lives = read_lives, say_lives
        self.read_roster, self.say_roster = read_lives, say_lives

    def read_key(self, sender: int, content: Packed) -> bytes:
        return content.tobytes()

    def knows(self, receiver: int, circle: Lives, *, all_there: bool) -> bool:
        """Whether the receiver knows this life; `all_there`: and tells of all its neighbours."""
        return circle.get(self._me) == self.public and (not all_there or self._around[receiver] <= circle.keys())

    def give(self, receiver: int, round: int, own: Vector, weight: float, circle: Lives) -> Packed | None:
        seed = derive_seed(self._seed, self._me, receiver, round)
        return self._giver.give(receiver, round, own, weight, circle, seed)

    def all_given(self) -> None:
        self._giver.done()

    def pledge(self, receiver: int, round: int, content: Packed) -> Packed | None:
        return self._giver.pledge(receiver, round, content)

    def read_masked(self, content: Packed, size: int) -> Masked:
        return self._summer.read(content, size)

    def read_pledge(self, content: Packed, size: int) -> Pledge:
        return read_pledge(content)

    def asks(self, roster: Lives, pledges: Mapping[int, Pledge]) -> Mapping[int, Packed]:
        """All at once, before any of them has pledged itself."""
        return {} if pledges else dict.fromkeys(roster, say_lives(roster))

    def roster(self, lives: Lives, models: Mapping[int, Masked]) -> Lives:
        return self._summer.roster(lives, models)

    def total(self, roster: Lives, models: Mapping[int, Masked], pledges: Mapping[int, Pledge], size: int) -> Vector:
        return self._summer.total(roster, models, pledges, size)

"""Secure sums around one receiver (after Bonawitz et al., CCS 2017, and CESAR, Biswas et al. 2024), without a server.

Each neighbour i of a receiver k sends its model times W_ki as words under masks:

    y_i = round(W_ki x_i) + PRG(b_i) + sum over j of sign(j - i) PRG(p_ij)          modulo 2^bits

where j runs over k's other neighbours (its *circle*), p_ij is known to i and j only, and b_i to i only. Then k names
a *roster*, those whose models it has, and each of them answers once for this receiver and round, with a *pledge*:
p_ij for every j that is not on the roster, and b_i, sealed under tokens of all others on it. So b_i opens only if
everybody on the roster has pledged itself to this very roster, and whoever has will never say p_ij of anyone on it.
What can then be computed from all that k was ever told holds either all honest models of one roster or none of them:
a receiver that lies about who is absent, to some or to all, learns less, never more. Where a pledge does not come,
the sum is lost.

Pure: words in, words out, and what was said to whom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from p2pfl_me.errors import WireError
from p2pfl_me.message import Packed, Vector
from p2pfl_me.privacy.circles import Lives, most_that_agree, others_of, require_roster
from p2pfl_me.privacy.fixed_point import FixedPoint, Words
from p2pfl_me.privacy.mask_keys import MaskKeys, Streams, sealed
from p2pfl_me.privacy.mask_words import (
    Masked,
    Pledge,
    digest_of,
    lives_from,
    lives_to_bytes,
    masked_from,
    pledge_from,
    pledge_to_bytes,
    room_for,
)

REMEMBERED = 4
"""Rounds back for which a peer still pledges itself: a receiver that is slower than its neighbours asks late."""


@dataclass(slots=True)
class _Given:
    """What was sent to one receiver in one round, and what was said of it since."""

    circle: Lives
    roster: Lives | None = None
    pledge: Packed | None = field(default=None, repr=False)


class Giver:
    """One peer's masks for its neighbours.

    Parameters
    ----------
    least:
        The fewest models that a sum may hold.
    around:
        receiver -> its neighbours by the contract.
    """

    def __init__(
        self, me: int, keys: MaskKeys, point: FixedPoint, least: int, around: Mapping[int, frozenset[int]]
    ) -> None:
        self._me, self._keys, self._point, self._least = me, keys, point, least
        self._around = around
        self._given: dict[tuple[int, int], _Given] = {}
        self._last: tuple[Vector, dict[float, Words]] | None = None
        self._streams = cache(Streams)

    def others(self, receiver: int, circle: Lives) -> Lives | None:
        """Those of a receiver's circle with whom a mask can be shared; None if they are too few, or don't know me."""
        return others_of(self._me, self._keys.public, circle, self._around[receiver], self._least)

    def give(self, receiver: int, round: int, own: Vector, weight: float, circle: Lives, seed: int) -> Packed | None:
        """`own` times `weight` for `receiver`, masked; None if it must not be sent.

        Never said twice for one receiver and round: two models under one mask would show their difference. Nor where
        an earlier life has pledged itself.
        """
        others = self.others(receiver, circle)
        if others is None or (receiver, round) in self._given or (receiver, round) in self._keys.pledges:
            return None
        seeds = {peer: self._keys.seed(peer, key, receiver, round) for peer, key in others.items()}
        clear = self._words(own, weight, seed)
        streams = self._streams(clear.nbytes)
        content, room = room_for(others, clear.nbytes)
        words = self._point.from_bytes(room)
        np.add(clear, self._point.from_bytes(streams.of(self._keys.own_seed(receiver, round))), out=words)
        for peer, mask in seeds.items():
            _add(words, self._point.from_bytes(streams.of(mask)), peer > self._me)
        self._given[receiver, round] = _Given(others)
        for old in [key for key in self._given if key[1] < round - REMEMBERED]:
            del self._given[old]
        return content

    def pledge(self, receiver: int, round: int, content: Packed) -> Packed | None:
        """The answer to a roster, the same if it is asked again; None if nothing was given or is remembered.

        Raises
        ------
        WireError
            The roster is none, or another than the one before; nothing is told.
        """
        roster, given = lives_from(content.data), self._given.get((receiver, round))
        if given is None:
            return None
        if given.roster is not None:
            if roster != given.roster:
                raise WireError(f"a second roster of round {round}: who is asked twice would tell too much")
            return given.pledge
        others = require_roster(self._me, self._keys.public, roster, given.circle, self._least, round)
        digest, ask = digest_of(roster), self._keys.token
        tokens = {k: ask(self._me, k, key, receiver, round, digest) for k, key in others.items()}
        mine = [ask(k, self._me, key, receiver, round, digest) for k, key in sorted(others.items())]
        absent = {k: key for k, key in given.circle.items() if k not in others}
        seeds = {k: self._keys.seed(k, key, receiver, round) for k, key in absent.items()}
        own = sealed(self._keys.own_seed(receiver, round), mine)
        self._keys.pledges.add(receiver, round)
        given.roster, given.pledge = roster, _packed(pledge_to_bytes(Pledge(own, tokens, seeds)))
        return given.pledge

    def _words(self, own: Vector, weight: float, seed: int) -> Words:
        """The same for all receivers of one weight, where rounding draws nothing."""
        if self._point.bits < 32:
            return self._point.words(own, weight, seed)
        if self._last is None or self._last[0] is not own:
            self._last = own, {}
        known = self._last[1]
        if weight not in known:
            known[weight] = self._point.words(own, weight, seed)
        return known[weight]

    def done(self) -> None:
        """All models of a round are given: nothing of them is kept."""
        self._last = None


class Summer:
    """A receiver's side: whose models can be summed, and the sum."""

    def __init__(self, point: FixedPoint, least: int) -> None:
        self._point, self._least = point, least
        self._streams = cache(Streams)

    def read(self, content: Packed, size: int) -> Masked:
        """A neighbour's masked model of `size` values. Raises `WireError` if it is none."""
        return masked_from(content.data, self._point.bytes_of(size))

    def roster(self, lives: Lives, models: Mapping[int, Masked]) -> dict[int, bytes]:
        """Those who have all masked towards each other, empty if they are too few: the most that agree."""
        return most_that_agree(lives, {peer: model.circle for peer, model in models.items()}, self._least)

    def total(self, roster: Lives, models: Mapping[int, Masked], pledges: Mapping[int, Pledge], size: int) -> Vector:
        """The sum of the roster's weighted models, float32 (P,).

        Raises
        ------
        WireError
            A pledge lacks what the sum needs.
        """
        streams = self._streams(self._point.bytes_of(size))
        total = self._point.nothing(size)
        for peer in sorted(roster):
            total += self._point.from_bytes(models[peer].words)
            others = [other for other in sorted(roster) if other != peer]
            try:
                tokens = [pledges[other].tokens[peer] for other in others]
                seeds = {other: pledges[peer].seeds[other] for other in models[peer].circle if other not in roster}
            except KeyError as error:
                raise WireError(f"a pledge without its word on peer {error.args[0]}") from error
            total -= self._point.from_bytes(streams.of(sealed(pledges[peer].own, tokens)))
            for other, seed in seeds.items():
                _add(total, self._point.from_bytes(streams.of(seed)), other < peer)
        return self._point.values(total)


def read_pledge(content: Packed) -> Pledge:
    """Raises `WireError` if it is none."""
    return pledge_from(content.data)


def read_lives(content: Packed) -> dict[int, bytes]:
    """Raises `WireError` if these are none."""
    return lives_from(content.data)


def say_lives(lives: Lives) -> Packed:
    return _packed(lives_to_bytes(lives))


def _add(words: Words, mask: Words, plus: bool) -> None:
    (np.add if plus else np.subtract)(words, mask, out=words)


def _packed(data: bytes) -> Packed:
    return np.frombuffer(data, np.uint8)

"""Sums around one receiver under its own key, which its neighbours make one after the other.

Receiver k has a key pair for additively homomorphic encryption, and all its neighbours have the public key. Its roster,
in the order of their ids, is a chain. The first encrypts its model times W_k1 as words of fixed point; each of the
others adds its own, freshly encrypted; the last one's word is the sum, which k decrypts:

    c_1 = Enc(w_1),  c_i = c_(i-1) + Enc(w_i),  sum = Dec(c_n)

A link c_i goes through k, sealed for the next in the chain (AES-256-GCM) under a key that only these two can derive,
for this contract, receiver, round and roster. So k opens no partial sum, and who hands it on reads none. Each peer adds
itself once for a receiver and round, whatever that one says, so k learns at most one sum, of all on its roster, at
least `least`; where one link does not come there is none. In c_n the models are in one sum only: what k's key opens
depends on that sum and on what chance added.

What it does not stand: one colluder. A neighbour that gives k the partial sum that it was handed shows k the sum of
those before it, and of the first alone if it is the second.

Pure but for chance: words in, words out.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from p2pfl_me.errors import WireError
from p2pfl_me.keyring import Keyring
from p2pfl_me.message import Packed, Vector
from p2pfl_me.privacy.additive import Adder, Cipher
from p2pfl_me.privacy.circles import Lives, most_that_agree, others_of, require_roster
from p2pfl_me.privacy.fixed_point import FixedPoint
from p2pfl_me.privacy.mask_keys import MaskKeys
from p2pfl_me.privacy.mask_words import digest_of, lives_from, lives_to_bytes
from p2pfl_me.privacy.masks import REMEMBERED, read_lives, say_lives

LIFE, TAG = 32, 16
"""Bytes of a life's key, and of the tag of a sealed link."""
A_LIFE = 36
"""Bytes of a peer and its life in a word."""
_COUNT = struct.Struct("<I")
NOTHING: Packed = np.empty(0, np.uint8)
UNREAD: Packed = np.zeros(1, np.uint8)
"""The word of one that cannot read the link it was handed."""


@dataclass(slots=True)
class _Given:
    """What a receiver was promised for one round, and which roster was answered since."""

    circle: Lives
    weight: float
    own: Vector | None = field(repr=False)
    roster: Lives | None = None


class ChainedSums:
    """`gossip.sums.Sums` by a chain.

    Parameters
    ----------
    point:
        How values become words, of 32 bits.
    least:
        The fewest models that a sum may hold.
    around:
        receiver -> its neighbours by the contract.
    cipher:
        This life's key pair, as a receiver.
    """

    def __init__(
        self,
        me: int,
        ring: Keyring,
        point: FixedPoint,
        least: int,
        around: Mapping[int, frozenset[int]],
        cipher: Cipher,
    ) -> None:
        self._keys = MaskKeys(me, ring)
        self.public, self.least = self._keys.public, least
        self.key: Packed = np.frombuffer(self.public + cipher.public, np.uint8)
        self._me, self._point, self._around, self._cipher = me, point, around, cipher
        self.largest = point.largest
        self._adders: dict[int, tuple[bytes, Adder]] = {}
        """receiver -> what it told, and what adds up under its key."""
        self._given: dict[tuple[int, int], _Given] = {}
        self.read_lives, self.say_lives = read_lives, say_lives

    # -- keys -------------------------------------------------------------------------------------------------------

    def read_key(self, sender: int, content: Packed) -> bytes:
        said = content.tobytes()
        if sender not in self._adders or self._adders[sender][0] != said:
            self._adders[sender] = said, self._cipher.adder(said[LIFE:])
        return said[:LIFE]

    def knows(self, receiver: int, circle: Lives, *, all_there: bool) -> bool:
        """Whether the receiver knows this life, and this life its key; `all_there`: and it tells of all neighbours."""
        known = receiver in self._adders and circle.get(self._me) == self.public
        return known and (not all_there or self._around[receiver] <= circle.keys())

    # -- a giver ----------------------------------------------------------------------------------------------------

    def give(self, receiver: int, round: int, own: Vector, weight: float, circle: Lives) -> Packed | None:
        """The word that `own` times `weight` is there to be summed, and with whose: the model itself stays here."""
        others = others_of(self._me, self.public, circle, self._around[receiver], self.least)
        said = (receiver, round) in self._given or (receiver, round) in self._keys.pledges
        if others is None or receiver not in self._adders or said:
            return None
        self._given[receiver, round] = _Given(others, weight, own)
        for old in [key for key in self._given if key[1] < round - REMEMBERED]:
            del self._given[old]
        return say_lives(others)

    def all_given(self) -> None:
        """Models are kept until they are asked for."""

    def pledge(self, receiver: int, round: int, content: Packed) -> Packed | None:
        """This peer's link of a chain; None if it cannot be made, `UNREAD` if for what it was handed, empty if it was
        made before.

        Raises
        ------
        WireError
            The roster is none, or another than the one before; nothing is told.
        """
        roster, partial = _read_ask(content)
        given = self._given.get((receiver, round))
        if given is None or receiver not in self._adders:
            return None
        if given.roster is not None:
            if roster != given.roster:
                raise WireError(f"a second roster of round {round}: who is asked twice would tell too much")
            return NOTHING
        others = require_roster(self._me, self.public, roster, given.circle, self.least, round)
        chain, digest = sorted(roster), digest_of(roster)
        place = chain.index(self._me)
        before: Packed | None = None
        if place:
            who = chain[place - 1]
            key = self._keys.link(who, self._me, others[who], receiver, round, digest)
            try:
                before = np.frombuffer(AESGCM(key).decrypt(bytes(12), partial, None), np.uint8)
            except InvalidTag:
                return UNREAD  # whoever broke it: the sum can no longer be made
        assert given.own is not None
        try:
            total = self._adders[receiver][1].plus(self._point.words(given.own, given.weight, 0), before)
        except WireError:
            return UNREAD  # the one before is to blame, not the receiver, who cannot read it
        self._keys.pledges.add(receiver, round)
        given.roster, given.own = roster, None
        if place + 1 == len(chain):
            return total
        to = chain[place + 1]
        key = self._keys.link(self._me, to, others[to], receiver, round, digest)
        return np.frombuffer(AESGCM(key).encrypt(bytes(12), total.data, None), np.uint8)

    # -- a receiver -------------------------------------------------------------------------------------------------

    def read_masked(self, content: Packed, size: int) -> Lives:
        """With whose models a neighbour's is to be summed."""
        return read_lives(content)

    def read_pledge(self, content: Packed, size: int) -> Packed | None:
        """A link of the chain: sealed for the next one, or the sum."""
        if np.array_equal(content, UNREAD):
            return None
        due = self._cipher.ring.bytes_of(size)
        if content.size not in (due, due + TAG):
            raise WireError(f"a link of {content.size} bytes, where {due} were due")
        return content

    def roster(self, lives: Lives, models: Mapping[int, Lives]) -> Lives:
        return most_that_agree(lives, models, self.least)

    def say_roster(self, roster: Lives) -> Packed:
        return _ask(roster, NOTHING)

    def read_roster(self, content: Packed) -> Lives:
        return _read_ask(content)[0]

    def asks(self, roster: Lives, pledges: Mapping[int, Packed]) -> Mapping[int, Packed]:
        """The next in the chain, with the link of the one before."""
        chain = sorted(roster)
        if len(pledges) >= len(chain):
            return {}
        before = pledges[chain[len(pledges) - 1]] if pledges else NOTHING
        return {chain[len(pledges)]: _ask(roster, before)}

    def total(self, roster: Lives, models: Mapping[int, Lives], pledges: Mapping[int, Packed], size: int) -> Vector:
        """The sum of the roster's weighted models, float32 (P,), to the same bits as under masks.

        Raises
        ------
        WireError
            The last link holds none.
        """
        return self._point.values(self._cipher.total(pledges[max(roster)], size))


def _ask(roster: Lives, partial: Packed) -> Packed:
    head = _COUNT.pack(len(roster)) + lives_to_bytes(roster)
    return np.concatenate([np.frombuffer(head, np.uint8), partial])


def _read_ask(content: Packed) -> tuple[dict[int, bytes], memoryview]:
    """The roster, and what follows it. Raises `WireError` if there is none."""
    data = content.data
    if data.nbytes < _COUNT.size:
        raise WireError(f"a roster of {data.nbytes} bytes, which nobody says")
    end = _COUNT.size + A_LIFE * int(_COUNT.unpack_from(data)[0])
    if data.nbytes < end:
        raise WireError(f"a roster of {data.nbytes} bytes, where {end} were due")
    return lives_from(data[_COUNT.size : end]), data[end:]

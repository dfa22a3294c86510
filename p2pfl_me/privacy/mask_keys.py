"""From keys to masks and seals: what two neighbours of one receiver share, and nobody else, the receiver included.

Each life of a peer has an X25519 key of its own, which the receiver hands round. The secret of a pair is made of the
agreement of these two and of the agreement of the two keys that stand in the contract. The contract's keys show who
it is (a receiver that hands round a key of its own making gets masks that it cannot compute), the lives' keys are
forgotten with their process: who steals a contract's key later computes no mask of the past."""

from __future__ import annotations

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from p2pfl_me.errors import WireError
from p2pfl_me.keyring import Keyring

SEED, TOKEN = 32, 16
"""Bytes of the key of one mask, and of one word of a pledge."""
_WHERE, _LIFE = struct.Struct("<II"), struct.Struct("<I32s")


class MaskKeys:
    """The keys of one life of peer `me` for masks; no mask under one contract is one under another."""

    def __init__(self, me: int, ring: Keyring) -> None:
        self._me, self._contract, self._ring = me, ring.contract, ring
        self.pledges = ring.pledges
        self._static = X25519PrivateKey.from_private_bytes(ring.private)
        self._life = X25519PrivateKey.from_private_bytes(_hkdf(ring.life, ring.contract, b"p2pme masks: key of a life"))
        self.public = self._life.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._agreed: dict[tuple[int, bytes], bytes] = {}

    def own_seed(self, receiver: int, round: int) -> bytes:
        """The key of one's own mask for a receiver and round."""
        return self._of(_hkdf(self._ring.life, self._contract, b"p2pme masks: own mask"), b"own", receiver, round)

    def seed(self, other: int, life: bytes, receiver: int, round: int) -> bytes:
        """The key of the mask that this peer and the life of `other` lay over their words for a receiver and round.

        Raises
        ------
        WireError
            `life` is no key, or the other's key is not known.
        """
        return self._of(self._pair(other, life), b"mask", receiver, round)

    def token(self, sender: int, to: int, life: bytes, receiver: int, round: int, roster: bytes) -> bytes:
        """The word by which `sender` commits itself towards `to`, of whom one is this peer and the other lives `life`.

        `roster` is the digest of those whose models are summed.
        """
        other = to if sender == self._me else sender
        pair = self._pair(other, life)
        return self._of(pair, b"token" + _WHERE.pack(sender, to) + roster, receiver, round)[:TOKEN]

    def link(self, sender: int, to: int, life: bytes, receiver: int, round: int, roster: bytes) -> bytes:
        """The key under which `sender` seals one word for `to` past the receiver; arguments as for `token`."""
        pair = self._pair(to if sender == self._me else sender, life)
        return self._of(pair, b"link" + _WHERE.pack(sender, to) + roster, receiver, round)

    def _pair(self, other: int, life: bytes) -> bytes:
        known = self._agreed.get((other, life))
        if known is None:
            try:
                theirs = X25519PublicKey.from_public_bytes(self._ring.publics[other])
                both = self._static.exchange(theirs) + self._life.exchange(X25519PublicKey.from_public_bytes(life))
            except (KeyError, ValueError) as error:
                raise WireError(f"no key of peer {other} that two could agree on") from error
            ends = sorted(((self._me, self.public), (other, life)))
            info = b"p2pme masks: pair" + b"".join(_LIFE.pack(*end) for end in ends)
            self._agreed[other, life] = known = _hkdf(both, self._contract, info)
        return known

    @staticmethod
    def _of(key: bytes, label: bytes, receiver: int, round: int) -> bytes:
        return hmac.digest(key, label + _WHERE.pack(receiver, round), "sha256")


class Streams:
    """Masks of `size` bytes from their seeds, in one piece of memory: each holds until the next is asked for."""

    def __init__(self, size: int) -> None:
        self._clear, self._mask = bytes(size), bytearray(size + 15)  # the cipher asks for a block's room at the end

    def of(self, seed: bytes) -> memoryview:
        """AES-256 in counter mode from zero. A seed is one mask's and no other's."""
        size = len(self._clear)
        Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor().update_into(self._clear, self._mask)
        return memoryview(self._mask)[:size]


def sealed(seed: bytes, tokens: list[bytes]) -> bytes:
    """A mask's seed that only who holds all `tokens` can read; done twice, it is the seed again."""
    key = hashlib.sha256(b"p2pme masks: pledge" + b"".join(tokens)).digest()
    return bytes(a ^ b for a, b in zip(seed, key, strict=True))


def _hkdf(secret: bytes, contract: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=contract, info=info).derive(secret)

"""Words that are added under a lock: what a chain of neighbours needs of a cipher, and one that hides nothing.

Sizes are those of CKKS with one prime of 56 bits for what is encrypted and one of 20 for keys: of the ring's N
coefficients half carry a value, and a ciphertext is two polynomials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from p2pfl_me.errors import WireError
from p2pfl_me.message import Packed
from p2pfl_me.privacy.fixed_point import Words

WORD = 7
"""Bytes of a coefficient of a ciphertext."""
KEY_WORD = 10
"""Bytes of a coefficient of a public key: of both primes."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Polynomials of degree below `degree`."""

    degree: int

    @property
    def slots(self) -> int:
        """Values of one ciphertext."""
        return self.degree // 2

    @property
    def piece(self) -> int:
        """Bytes of one ciphertext."""
        return 2 * self.degree * WORD

    @property
    def key(self) -> int:
        """Bytes of a public key."""
        return 2 * self.degree * KEY_WORD

    def pieces(self, size: int) -> int:
        """Ciphertexts for so many values."""
        return -(-size // self.slots)

    def bytes_of(self, size: int) -> int:
        """What they take."""
        return self.pieces(size) * self.piece


class Adder(Protocol):
    """One receiver's public key."""

    def plus(self, words: Words, partial: Packed | None) -> Packed:
        """`words`, 32 bits (P,), encrypted, and added to what is encrypted in `partial`.

        Raises
        ------
        WireError
            `partial` is no ciphertext of as many values.
        """


class Cipher(Protocol):
    """One life's key pair, and the ring in which others' public keys are read."""

    @property
    def ring(self) -> Ring: ...

    @property
    def public(self) -> bytes: ...

    def adder(self, public: bytes) -> Adder:
        """Raises `WireError` if this is no public key."""

    def total(self, content: Packed, size: int) -> Words:
        """What `content` sums to, 32 bits (`size`,).

        Raises
        ------
        WireError
            It holds no sum of words under this life's key.
        """


class InClear:
    """The same sums at the same sizes, encrypted by nobody, for rehearsals: words as they are, and zeros after them."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.public = bytes(ring.key)

    def adder(self, public: bytes) -> Adder:
        if len(public) != self.ring.key:
            raise WireError(f"a public key of {len(public)} bytes, where {self.ring.key} were due")
        return self

    def plus(self, words: Words, partial: Packed | None) -> Packed:
        content = np.zeros(self.ring.bytes_of(words.size), np.uint8)
        held = content[: words.nbytes].view("<u4")
        held += words
        if partial is not None:
            held += self.total(partial, words.size)
        return content

    def total(self, content: Packed, size: int) -> Words:
        if content.size != self.ring.bytes_of(size):
            raise WireError(f"a ciphertext of {content.size} bytes, where {self.ring.bytes_of(size)} were due")
        return content[: 4 * size].copy().view("<u4")

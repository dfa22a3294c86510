"""A private key under a passphrase: scrypt (RFC 7914) makes a key of it, ChaCha20-Poly1305 seals with that.

What a file says of scrypt's cost is bounded before memory is taken for it.
"""

from __future__ import annotations

import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from p2pfl_me.errors import IdentityError

COST = 15
"""Log2 of scrypt's N: 32 MiB and a tenth of a second for each guess."""
MOST = 20
_HEAD = struct.Struct("<4sB16s12s")
_MARK = b"p2k1"


def sealed(private: bytes, passphrase: str) -> bytes:
    """32 raw bytes of a key as what may lie on a disk."""
    head = _HEAD.pack(_MARK, COST, os.urandom(16), os.urandom(12))
    _, cost, salt, nonce = _HEAD.unpack(head)
    return head + ChaCha20Poly1305(_key(passphrase, salt, cost)).encrypt(nonce, private, head)


def is_sealed(data: bytes) -> bool:
    return data.startswith(_MARK)


def unsealed(data: bytes, passphrase: str, where: str) -> bytes:
    """The raw key.

    Raises
    ------
    IdentityError
        Another passphrase, or a file that was changed.
    """
    try:
        head, (_, cost, salt, nonce) = data[: _HEAD.size], _HEAD.unpack_from(data)
        if not 10 <= cost <= MOST:
            raise ValueError(f"scrypt at 2^{cost}")
        return ChaCha20Poly1305(_key(passphrase, salt, cost)).decrypt(nonce, data[_HEAD.size :], head)
    except (struct.error, ValueError) as error:
        fix = "take a copy of it, or make a new key with `p2pme keys new`"
        raise IdentityError(f"a sealed key that is damaged ({error})", where=where, fix=fix) from error
    except InvalidTag as error:
        raise IdentityError(
            "does not open with this passphrase (or the file was changed)", where=where, fix="try another"
        ) from error


def _key(passphrase: str, salt: bytes, cost: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**cost, r=8, p=1).derive(passphrase.encode())

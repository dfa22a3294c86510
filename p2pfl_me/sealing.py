"""Files under a passphrase: scrypt (RFC 7914) makes a key of it, ChaCha20-Poly1305 seals chunk by chunk.

Chunks carry their number and whether they are the last in the nonce (STREAM: Hoang, Reyhanitabar, Rogaway and Vizar,
CRYPTO 2015), so a file that was cut, joined or reordered does not open. Each file has a key of its own, so no nonce is
used twice. Floor 0 of the house.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from p2pfl_me.errors import WeightsError
from p2pfl_me.files import open_regular

COST, LEAST, MOST = 15, 10, 20
"""Log2 of scrypt's N: 32 MiB and a tenth of a second for each guess; what a file may ask for."""
CHUNK = 1 << 20
TAG = 16
MARK = b"p2s1"
_HEAD = struct.Struct("<4sB16s16s16s")
"""Mark, cost, the passphrase's salt, the file's salt, what tells a wrong passphrase."""


class Seal:
    """One passphrase, and the keys that scrypt has made of it."""

    def __init__(self, passphrase: str, cost: int = COST) -> None:
        self._passphrase, self._cost, self._salt = passphrase.encode(), cost, os.urandom(16)
        self._keys: dict[tuple[int, bytes], bytes] = {}

    def parts(self, parts: Iterable[bytes | memoryview]) -> Iterator[bytes]:
        """What may lie on a disk of these parts, in order."""
        salt, key = os.urandom(16), self._key(self._cost, self._salt)
        head = _HEAD.pack(MARK, self._cost, self._salt, salt, _check(key, salt))
        yield head
        cipher, number, held = _cipher(key, salt), 0, bytearray()
        for part in parts:
            rest = memoryview(part).cast("B")
            while rest:
                if len(held) == CHUNK:
                    yield cipher.encrypt(_nonce(number, last=False), bytes(held), head)
                    number, held = number + 1, bytearray()
                taken = rest[: CHUNK - len(held)]
                held += taken
                rest = rest[len(taken) :]
        yield cipher.encrypt(_nonce(number, last=True), bytes(held), head)

    def opened(self, data: bytes, where: str) -> bytes:
        """What was sealed.

        Raises
        ------
        WeightsError
            Under another passphrase, or changed since.
        """
        head = data[: _HEAD.size]
        try:
            mark, cost, salt, own, check = _HEAD.unpack(head)
            if mark != MARK or not LEAST <= cost <= MOST:
                raise ValueError(f"scrypt at 2^{cost}")
        except (struct.error, ValueError) as error:
            fix = "put a copy in its place, or begin again with --fresh"
            raise WeightsError(f"is sealed and damaged ({error})", where=where, fix=fix) from error
        key = self._key(cost, salt)
        if not hmac.compare_digest(_check(key, own), check):
            fix = "try another; if it is the right one, the file was changed: put a copy in its place"
            raise WeightsError("does not open with this passphrase", where=where, fix=fix)
        cipher, body, made = _cipher(key, own), memoryview(data)[_HEAD.size :], bytearray()
        size = CHUNK + TAG
        count = max(1, -(-len(body) // size))
        try:
            for number in range(count):
                chunk = body[number * size : (number + 1) * size]
                made += cipher.decrypt(_nonce(number, last=number == count - 1), bytes(chunk), head)
        except InvalidTag as error:
            fix = "put a copy in its place, or begin again with --fresh"
            raise WeightsError(
                "was changed after it was sealed, or not written to its end", where=where, fix=fix
            ) from error
        return bytes(made)

    def _key(self, cost: int, salt: bytes) -> bytes:
        if (cost, salt) not in self._keys:
            made = Scrypt(salt=salt, length=32, n=2**cost, r=8, p=1).derive(self._passphrase)
            self._keys[cost, salt] = made
        return self._keys[cost, salt]


def is_sealed(path: Path) -> bool:
    """Whether what lies there is under a passphrase; False where nothing lies."""
    try:
        with open_regular(path, None) as file:
            return file.read(len(MARK)) == MARK
    except OSError:
        return False


def _derived(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=salt, info=b"p2pme file " + purpose).derive(key)


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    return AESGCM(_derived(key, salt, b"seal"))


def _check(key: bytes, salt: bytes) -> bytes:
    return _derived(key, salt, b"check")[:16]


def _nonce(number: int, *, last: bool) -> bytes:
    return struct.pack("<QxxxB", number, last)

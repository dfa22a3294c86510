"""CKKS (Cheon, Kim, Kim, Song, ASIACRYPT 2017) by tenseal, an extra: a life's key pair, and sums under others' keys.

Only additions are needed, so one prime of 56 bits carries the words of fixed point, each times 2^22; the noise of a
sum stays below a thousandth of a word, and what is read is rounded to whole words: no bit of a sum depends on the
noise, in any engine.

tenseal's parser (protocol buffers around SEAL's own format, zstandard inside) was not written for hostile bytes and
never sees any. What travels are coefficients alone, seven bytes each, in a length that the contract settles; everything
around them is put there by the reader, from what its own tenseal writes. A coefficient that is out of range SEAL
refuses itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from p2pfl_me.errors import P2pmeError, WireError
from p2pfl_me.message import Packed
from p2pfl_me.privacy.additive import KEY_WORD, WORD, Adder, Ring
from p2pfl_me.privacy.fixed_point import Words
from p2pfl_me.privacy.randomness import System

INSTALL = "pip install 'p2pfl_me[ckks]'"
PRIMES = (8 * WORD, 20)
"""Bits of the prime of ciphertexts, and of the one that only keys have. SEAL asks for 109 bits at most where N is 4096,
for the security of AES-128 (homomorphicencryption.org, 2018)."""
SCALE = 2.0**22
"""What a word is multiplied by: sums of 32 bits stay below a quarter of the first prime."""
SPREAD = 0.25
"""Of a word: so much noise the givers of a sum lay over it together at most. It covers how the encoder rounds, which
would tell of single words."""
BEYOND = 6.7
"""No value of `randomness` is so many deviations away."""
NEAR = 0.4
"""What is further from a whole word is none."""
_HEADER = struct.Struct("<3s2sBHQ")
"""SEAL's, around whatever it saves: magic number and length of this header, version, compression, reserved, size."""
_MAGIC = b"\x5e\xa1\x10"
_STORED, _ZSTD = 0, 2

Coefficients = npt.NDArray[np.uint64]


class CkksMissing(P2pmeError):
    """Nothing here can encrypt, so nothing may be sent."""


def require_ckks() -> None:
    """See that the extra is installed.

    Raises
    ------
    CkksMissing
        It is not, or not so that it could be used.
    """
    _libraries()


def has_ckks() -> bool:
    """Whether the extra is installed."""
    try:
        _libraries()
    except CkksMissing:
        return False
    return True


class Ckks:
    """One life's key pair. `terms`: the most models in any sum."""

    def __init__(self, ring: Ring, terms: int) -> None:
        self.ring, self._terms = ring, terms
        self._tenseal, self._zstd = _libraries()
        self._own = self._tenseal.context(
            self._tenseal.SCHEME_TYPE.CKKS,
            poly_modulus_degree=ring.degree,
            coeff_mod_bit_sizes=list(PRIMES),
            n_threads=1,
        )
        self._own.global_scale = SCALE
        _, key = self._saved(self._serialized(public_key=True))
        self._key_frame, coefficients = self._opened(key, 4 * ring.degree)
        self.public = _key_to_bytes(coefficients, ring.degree)
        self._without_key = self._serialized(public_key=False)
        (zero,) = self._saved(self._encrypted(self._own, np.zeros(ring.slots)).serialize())
        self._frame, coefficients = self._opened(zero, 2 * ring.degree)
        self._try_out(coefficients)

    def adder(self, public: bytes) -> Adder:
        if len(public) != self.ring.key:
            raise WireError(f"a public key of {len(public)} bytes, where {self.ring.key} were due")
        with _hostile("a public key"):
            key = self._key_frame + _key_from_bytes(public, self.ring.degree).tobytes()
            # Protocol buffers merge what is said twice: the context without a key, and then its key.
            context = self._tenseal.context_from(self._without_key + _field(2, _field(1, key)), n_threads=1)
        return _Under(self, context)

    def total(self, content: Packed, size: int) -> Words:
        ring = self.ring
        _require_pieces(content, ring, size)
        found = np.empty(ring.pieces(size) * ring.slots)
        for number, piece in enumerate(content.reshape(-1, ring.piece)):
            with _hostile("a sum"):
                found[number * ring.slots :][: ring.slots] = self.loaded(self._own, piece).decrypt()
        whole = np.rint(found[:size])
        with np.errstate(invalid="ignore"):
            far = np.abs(found[:size] - whole).max(initial=0.0)
            largest = np.abs(whole).max(initial=0.0)
        if not (far < NEAR and largest < 2.0**31):  # NaN is neither
            raise WireError("what was encrypted is no sum of words")
        return cast(Words, whole.astype("<i4").view("<u4"))

    def plus(self, context: Any, words: Words, partial: Packed | None) -> Packed:
        """As `Adder.plus`, under the public key of `context`."""
        ring = self.ring
        if partial is not None:
            _require_pieces(partial, ring, words.size)
        values = np.zeros(ring.pieces(words.size) * ring.slots)
        noise = np.empty(values.size, np.float32)
        System().stream().normal(noise, SPREAD / self._terms / BEYOND)
        values[: words.size] = words.view("<i4")
        values += noise
        total = np.empty(ring.bytes_of(words.size), np.uint8)
        for number, out in enumerate(total.reshape(-1, ring.piece)):
            with _hostile("a partial sum"):
                vector = self._encrypted(context, values[number * ring.slots :][: ring.slots])
                if partial is not None:
                    vector += self.loaded(context, partial[number * ring.piece :][: ring.piece])
            (saved,) = self._saved(vector.serialize())
            _, coefficients = self._opened(saved, 2 * ring.degree)
            out[:] = coefficients.view(np.uint8).reshape(-1, 8)[:, :WORD].reshape(-1)
        return total

    def loaded(self, context: Any, piece: Packed) -> Any:
        """One ciphertext out of its coefficients."""
        padded = np.zeros((2 * self.ring.degree, 8), np.uint8)
        padded[:, :WORD] = piece.reshape(-1, WORD)
        return self._framed(context, padded.tobytes())

    def _framed(self, context: Any, coefficients: bytes) -> Any:
        sizes, scale = _field(1, _varint(self.ring.slots)), b"\x19" + struct.pack("<d", SCALE)
        return self._tenseal.ckks_vector_from(context, sizes + _field(2, self._frame + coefficients) + scale)

    def _encrypted(self, context: Any, values: npt.NDArray[np.float64]) -> Any:
        return self._tenseal.ckks_vector(context, values, scale=SCALE)

    def _serialized(self, *, public_key: bool) -> bytes:
        said: bytes = self._own.serialize(
            save_public_key=public_key, save_secret_key=False, save_galois_keys=False, save_relin_keys=False
        )
        return said

    @staticmethod
    def _saved(data: bytes) -> list[bytes]:
        """What SEAL has saved in something that tenseal, here, has written."""
        found, at = [], data.find(_MAGIC)
        while at >= 0:
            size = _HEADER.unpack_from(data, at)[-1]
            found.append(data[at : at + size])
            at = data.find(_MAGIC, at + size)
        return found

    def _opened(self, saved: bytes, count: int) -> tuple[bytes, Coefficients]:
        """All that stands before the `count` coefficients of what SEAL, here, has saved, uncompressed; and those."""
        magic, version, compression, reserved, _ = _HEADER.unpack_from(saved)
        body = saved[_HEADER.size :]
        if compression == _ZSTD:
            body = self._zstd.ZstdDecompressor().decompressobj().decompress(body)
        elif compression != _STORED:
            raise CkksMissing("this tenseal saves in a form that nobody here reads", fix=f"install another: {INSTALL}")
        header = _HEADER.pack(magic, version, _STORED, reserved, _HEADER.size + len(body))
        return header + body[: -8 * count], np.frombuffer(body[-8 * count :], "<u8")

    def _try_out(self, zero: Coefficients) -> None:
        """See once a life that what is taken apart can be put together."""
        try:
            near = float(np.abs(self._framed(self._own, zero.tobytes()).decrypt()).max()) < NEAR
            self.adder(self.public)
        except (ValueError, RuntimeError, WireError):
            near = False
        if not near:
            raise CkksMissing("this tenseal packs ciphertexts in a way of its own", fix=f"install another: {INSTALL}")


class _Under:
    """Another's public key."""

    def __init__(self, life: Ckks, context: Any) -> None:
        self._life, self._context = life, context

    def plus(self, words: Words, partial: Packed | None) -> Packed:
        return self._life.plus(self._context, words, partial)


def _require_pieces(content: Packed, ring: Ring, size: int) -> None:
    if content.size != ring.bytes_of(size):
        raise WireError(f"a ciphertext of {content.size} bytes, where {ring.bytes_of(size)} were due")


def _key_to_bytes(coefficients: Coefficients, degree: int) -> bytes:
    """Of both polynomials those modulo the first prime, then those modulo the second."""
    data = coefficients.view(np.uint8).reshape(2, 2, degree, 8)
    first, second = data[:, 0, :, :WORD], data[:, 1, :, : KEY_WORD - WORD]
    return first.tobytes() + second.tobytes()


def _key_from_bytes(public: bytes, degree: int) -> Coefficients:
    data = np.zeros((2, 2, degree, 8), np.uint8)
    split = 2 * degree * WORD
    data[:, 0, :, :WORD] = np.frombuffer(public[:split], np.uint8).reshape(2, degree, WORD)
    data[:, 1, :, : KEY_WORD - WORD] = np.frombuffer(public[split:], np.uint8).reshape(2, degree, KEY_WORD - WORD)
    return data.view("<u8")


def _field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer whose content has a length."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    said = bytearray()
    while value > 0x7F:
        said.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*said, value])


@contextmanager
def _hostile(what: str) -> Iterator[None]:
    """What SEAL says of another's bytes is the wire's error."""
    try:
        yield
    except (ValueError, RuntimeError, IndexError) as error:
        raise WireError(f"{what} that SEAL refuses: {error}") from error


def _libraries() -> tuple[Any, Any]:
    try:
        import tenseal
        import zstandard
    except ImportError as error:
        raise CkksMissing(
            f"privacy.exchange: ckks needs {error.name or 'tenseal'}, which is not installed",
            where="privacy.exchange",
            fix=f"{INSTALL}, or take privacy.exchange: masks",
        ) from error
    return tenseal, zstandard

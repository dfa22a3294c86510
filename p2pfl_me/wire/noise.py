"""Noise_IK_25519_AESGCM_SHA256 (Noise Protocol Framework, revision 34) on the `cryptography` package's primitives.

Each state of the handshake is a type of its own that offers only the next legal step. Nothing here touches a socket.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from p2pfl_me.errors import WireError

PROTOCOL = b"Noise_IK_25519_AESGCM_SHA256"
KEY = 32
TAG = 16
MAX_HANDSHAKE = 65_535


def private_bytes(key: X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def public_bytes(key: X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def nonce(counter: int) -> bytes:
    """Noise's AESGCM nonce: 32 zero bits and the counter as 64 bits big-endian."""
    return bytes(4) + counter.to_bytes(8, "big")


@dataclass(frozen=True, slots=True)
class Ciphers:
    """What a finished handshake gives: a key for each direction (32 bytes) and the channel-binding hash."""

    send: bytes
    receive: bytes
    handshake_hash: bytes

    def __repr__(self) -> str:
        return "Ciphers(...)"


class _Symmetric:
    """Noise section 5.2, with the cipher state of 5.1 folded in. In IK a handshake's key seals one thing, or nothing,
    before the next is mixed: its counter stays at zero, and it is dropped with its use."""

    def __init__(self, prologue: bytes) -> None:
        self.h = PROTOCOL.ljust(32, b"\0")
        self._ck = self.h
        self._aead: AESGCM | None = None
        self.mix_hash(prologue)

    def mix_hash(self, data: bytes) -> None:
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key(self, material: bytes) -> None:
        self._ck, key = _hkdf(self._ck, material)
        self._aead = AESGCM(key)

    def encrypt_and_hash(self, plaintext: bytes) -> bytes:
        out = self._used().encrypt(nonce(0), plaintext, self.h)
        self.mix_hash(out)
        return out

    def decrypt_and_hash(self, ciphertext: bytes) -> bytes:
        try:
            out = self._used().decrypt(nonce(0), ciphertext, self.h)
        except InvalidTag as error:
            raise WireError("the handshake does not authenticate (another key or another contract)") from error
        self.mix_hash(ciphertext)
        return out

    def _used(self) -> AESGCM:
        """The key that was mixed last, once: another use of it would need another nonce."""
        aead, self._aead = self._aead, None
        if aead is None:
            raise AssertionError("IK mixes a key before each that it seals")
        return aead

    def split(self) -> tuple[bytes, bytes]:
        return _hkdf(self._ck, b"")


def _hkdf(chaining: bytes, material: bytes) -> tuple[bytes, bytes]:
    secret = hmac.digest(chaining, material, "sha256")
    first = hmac.digest(secret, b"\x01", "sha256")
    return first, hmac.digest(secret, first + b"\x02", "sha256")


def agree(private: X25519PrivateKey, public: bytes) -> bytes:
    """The shared secret of a private and a public key (32 bytes, raw).

    Raises
    ------
    WireError
        The public key is no key, or of small order.
    """
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise WireError("the other side sent a public key that is no key") from error


class Initiator:
    """The side that dials and knows the responder's static public key (32 bytes)."""

    def __init__(
        self, static: X25519PrivateKey, remote: bytes, prologue: bytes, ephemeral: X25519PrivateKey | None = None
    ) -> None:
        self._static, self._remote = static, remote
        self._ephemeral = ephemeral or X25519PrivateKey.generate()
        self._state = _Symmetric(prologue)
        self._state.mix_hash(remote)

    def write(self, payload: bytes) -> tuple[bytes, AwaitingReply]:
        """Message 1: e, es, s, ss. The payload is encrypted to the responder, but can be replayed."""
        state, e = self._state, public_bytes(self._ephemeral)
        state.mix_hash(e)
        state.mix_key(agree(self._ephemeral, self._remote))
        s = state.encrypt_and_hash(public_bytes(self._static))
        state.mix_key(agree(self._static, self._remote))
        message = e + s + state.encrypt_and_hash(payload)
        return message, AwaitingReply(state, self._static, self._ephemeral)


class AwaitingReply:
    """The initiator after message 1."""

    def __init__(self, state: _Symmetric, static: X25519PrivateKey, ephemeral: X25519PrivateKey) -> None:
        self._state, self._static, self._ephemeral = state, static, ephemeral

    @property
    def ephemeral(self) -> X25519PrivateKey:
        """The key that message 1 was made with, and no other."""
        return self._ephemeral

    def read(self, message: bytes) -> tuple[bytes, Ciphers]:
        """Message 2: e, ee, se.

        Raises
        ------
        WireError
            Too short or too long, or not from the holder of the responder's key under this prologue.
        """
        _check_length(message, KEY + TAG)
        state, e = self._state, message[:KEY]
        state.mix_hash(e)
        state.mix_key(agree(self._ephemeral, e))
        state.mix_key(agree(self._static, e))
        payload = state.decrypt_and_hash(message[KEY:])
        send, receive = state.split()
        return payload, Ciphers(send, receive, state.h)


class Responder:
    """The side that listens."""

    def __init__(self, static: X25519PrivateKey, prologue: bytes, ephemeral: X25519PrivateKey | None = None) -> None:
        self._static = static
        self._ephemeral = ephemeral
        self._state = _Symmetric(prologue)
        self._state.mix_hash(public_bytes(static))

    def read(self, message: bytes) -> tuple[bytes, Introduced]:
        """Message 1.

        Raises
        ------
        WireError
            Too short or too long, or not made for this key and prologue.
        """
        _check_length(message, KEY + KEY + TAG + TAG)
        state, e = self._state, message[:KEY]
        state.mix_hash(e)
        state.mix_key(agree(self._static, e))
        remote = state.decrypt_and_hash(message[KEY : KEY + KEY + TAG])
        state.mix_key(agree(self._static, remote))
        payload = state.decrypt_and_hash(message[KEY + KEY + TAG :])
        ephemeral = self._ephemeral or X25519PrivateKey.generate()
        return payload, Introduced(state, ephemeral, e, remote)


class Introduced:
    """The responder after message 1. `remote` is the initiator's authenticated static public key (32 bytes)."""

    def __init__(self, state: _Symmetric, ephemeral: X25519PrivateKey, their_e: bytes, remote: bytes) -> None:
        self._state, self._ephemeral, self._their_e = state, ephemeral, their_e
        self.remote = remote

    def write(self, payload: bytes) -> tuple[bytes, Ciphers]:
        """Message 2. The initiator has shown possession of its key only once it sends under these ciphers."""
        state, e = self._state, public_bytes(self._ephemeral)
        state.mix_hash(e)
        state.mix_key(agree(self._ephemeral, self._their_e))
        state.mix_key(agree(self._ephemeral, self.remote))
        message = e + state.encrypt_and_hash(payload)
        receive, send = state.split()
        return message, Ciphers(send, receive, state.h)


def _check_length(message: bytes, least: int) -> None:
    if not least <= len(message) <= MAX_HANDSHAKE:
        raise WireError(f"a handshake message of {len(message)} bytes (at least {least}, at most {MAX_HANDSHAKE})")

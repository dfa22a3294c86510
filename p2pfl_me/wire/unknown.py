"""What is said to a key that is not known, so that nobody else can have said it. No socket here.

A listener that cannot tell whose HELLO it has read says UNKNOWN: a fresh key, and a seal under the agreement of its
own static key and the caller's ephemeral one. The caller, who knows whom it called, sees by it that this very neighbour
does not know its key, and that it is not somebody on the line who says so. Where the seal is not the neighbour's,
another key listens there than the caller's contract names: then the caller says its ANSWER under the agreement of its
static key and the fresh one, and the listener sees by that which of its neighbours knows it by another key. Each seal
covers challenge and HELLO, so what was changed on the way, or said on another connection, convinces nobody.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from p2pfl_me.errors import WireError
from p2pfl_me.wire.identity import Identity
from p2pfl_me.wire.noise import KEY, agree, public_bytes

UNKNOWN, ANSWER = 4, 5
"""Kinds of frame, beside those of the handshake."""
SEAL = 32


class Pair(Protocol):
    """One of a neighbour's keys."""

    @property
    def public(self) -> bytes: ...


P = TypeVar("P", bound=Pair)


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a listener has said to a key that it does not know, and what it needs to read the answer."""

    said: bytes
    heard: bytes
    """What the two have said so far: the challenge and the HELLO."""
    ephemeral: X25519PrivateKey = field(repr=False)


def unknown(identity: Identity, their_e: bytes, challenge: bytes, hello: bytes) -> Unknown:
    """What the holder of `identity` says to whoever made this HELLO with the ephemeral key `their_e`.

    Raises
    ------
    WireError
        That is no key.
    """
    ephemeral = X25519PrivateKey.generate()
    mine = public_bytes(ephemeral)
    key = _key(b"unknown", agree(identity.private, their_e), identity.public, their_e)
    return Unknown(bytes([UNKNOWN]) + mine + _seal(key, challenge, hello, mine), challenge + hello, ephemeral)


def is_from(frame: bytes, remote: bytes, ephemeral: X25519PrivateKey, challenge: bytes, hello: bytes) -> bool:
    """Whether the holder of `remote` has said so, to the HELLO that was made with this ephemeral key.

    Raises
    ------
    WireError
        No UNKNOWN, by its length and kind.
    """
    mine = _their_e(frame)
    key = _key(b"unknown", agree(ephemeral, remote), remote, public_bytes(ephemeral))
    return hmac.compare_digest(frame[1 + KEY :], _seal(key, challenge, hello, mine))


def answer(identity: Identity, frame: bytes, challenge: bytes, hello: bytes) -> bytes:
    """Who made the HELLO, to whoever said UNKNOWN without being the one that was called.

    Raises
    ------
    WireError
        It has sent no key.
    """
    their_e = _their_e(frame)
    key = _key(b"answer", agree(identity.private, their_e), identity.public, their_e)
    return bytes([ANSWER]) + _seal(key, challenge, hello, frame)


def answered_by(pairs: Iterable[P], to: Unknown, frame: bytes) -> P | None:
    """Whose answer this is, if it is anybody's of these.

    Raises
    ------
    WireError
        No ANSWER, by its length and kind, or one of these has no key.
    """
    if frame[:1] != bytes([ANSWER]) or len(frame) != 1 + SEAL:
        raise WireError("something else than an answer to an unknown key")
    mine, found = public_bytes(to.ephemeral), None
    for pair in pairs:
        key = _key(b"answer", agree(to.ephemeral, pair.public), pair.public, mine)
        if hmac.compare_digest(frame[1:], _seal(key, to.heard, b"", to.said)):
            found = pair
    return found


def _their_e(frame: bytes) -> bytes:
    if frame[:1] != bytes([UNKNOWN]) or len(frame) != 1 + KEY + SEAL:
        raise WireError("something else than a reply")
    return frame[1 : 1 + KEY]


def _key(what: bytes, secret: bytes, static: bytes, ephemeral: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"p2pfl_me " + what + b" 2" + static + ephemeral).derive(secret)


def _seal(key: bytes, challenge: bytes, hello: bytes, more: bytes) -> bytes:
    return hmac.digest(key, hashlib.sha256(challenge + hello).digest() + more, "sha256")

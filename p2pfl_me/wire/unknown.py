"""What is said to a key that is not known, so that nobody else can have said it. No socket here.

A listener that cannot tell whose HELLO it has read says UNKNOWN: a fresh key, and a seal under the agreement of its
own static key and the caller's ephemeral one (one for each of its keys, if it goes by several). The caller, who knows
whom it called, sees by it that this very neighbour does not know its key, and that it is not somebody on the line who
says so. Where the seal is not the neighbour's, another key listens there than the caller's contract names: then the
caller says its ANSWER under the agreement of its static key and the fresh one, with a tag for each key by which it
would know its neighbour, and the listener sees by that which of its neighbours knows it by other keys than any of its
own. Each seal covers challenge and HELLO, so what was changed on the way, or said on another connection, convinces
nobody.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
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
SEAL, SEALS = 32, 4
"""Bytes of a seal or tag, and the most keys that one end goes by or is known by."""


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


def unknown(identities: Sequence[Identity], their_e: bytes, challenge: bytes, hello: bytes) -> Unknown:
    """What the holder of `identities` says to whoever made this HELLO with the ephemeral key `their_e`.

    Raises
    ------
    WireError
        That is no key.
    """
    ephemeral = X25519PrivateKey.generate()
    mine = public_bytes(ephemeral)
    keys = (_key(b"unknown", agree(each.private, their_e), each.public, their_e) for each in identities[:SEALS])
    seals = b"".join(_seal(key, challenge, hello, mine) for key in keys)
    return Unknown(bytes([UNKNOWN]) + mine + seals, challenge + hello, ephemeral)


def is_from(frame: bytes, remote: bytes, ephemeral: X25519PrivateKey, challenge: bytes, hello: bytes) -> bool:
    """Whether the holder of `remote` has said so, to the HELLO that was made with this ephemeral key.

    Raises
    ------
    WireError
        No UNKNOWN, by its length and kind.
    """
    mine = _their_e(frame)
    key = _key(b"unknown", agree(ephemeral, remote), remote, public_bytes(ephemeral))
    seal, found = _seal(key, challenge, hello, mine), False
    for begin in range(1 + KEY, len(frame), SEAL):
        found |= hmac.compare_digest(frame[begin : begin + SEAL], seal)
    return found


def answer(identity: Identity, frame: bytes, challenge: bytes, hello: bytes, known: Iterable[bytes]) -> bytes:
    """Who made the HELLO, and by which public keys it knows whom it called; to whoever said UNKNOWN without being that.

    Raises
    ------
    WireError
        It has sent no key.
    """
    their_e = _their_e(frame)
    key = _key(b"answer", agree(identity.private, their_e), identity.public, their_e)
    tags = b"".join(sorted(_tag(key, each) for each in [*known][:SEALS]))
    return bytes([ANSWER]) + _seal(key, challenge, hello, frame + tags) + tags


def answered_by(pairs: Iterable[P], mine: Iterable[bytes], to: Unknown, frame: bytes) -> P | None:
    """Whose answer this is, if it is anybody's of these and they know none of `mine`, our public keys.

    Raises
    ------
    WireError
        No ANSWER, by its length and kind, or one of these has no key.
    """
    count, rest = divmod(len(frame) - 1, SEAL)
    if frame[:1] != bytes([ANSWER]) or rest or not 2 <= count <= 1 + SEALS:
        raise WireError("something else than an answer to an unknown key")
    e, seal, tags, found = public_bytes(to.ephemeral), frame[1 : 1 + SEAL], frame[1 + SEAL :], None
    ours = [*mine]
    for pair in pairs:
        key = _key(b"answer", agree(to.ephemeral, pair.public), pair.public, e)
        if hmac.compare_digest(seal, _seal(key, to.heard, b"", to.said + tags)):
            held = {tags[begin : begin + SEAL] for begin in range(0, len(tags), SEAL)}
            found = pair if held.isdisjoint(_tag(key, each) for each in ours) else None
    return found


def _tag(key: bytes, public: bytes) -> bytes:
    return hmac.digest(key, b"known" + public, "sha256")


def _their_e(frame: bytes) -> bytes:
    seals, rest = divmod(len(frame) - 1 - KEY, SEAL)
    if frame[:1] != bytes([UNKNOWN]) or rest or not 1 <= seals <= SEALS:
        raise WireError("something else than a reply")
    return frame[1 : 1 + KEY]


def _key(what: bytes, secret: bytes, static: bytes, ephemeral: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"p2pfl_me " + what + b" 2" + static + ephemeral).derive(secret)


def _seal(key: bytes, challenge: bytes, hello: bytes, more: bytes) -> bytes:
    return hmac.digest(key, hashlib.sha256(challenge + hello).digest() + more, "sha256")

"""The frames of the handshake: who speaks, under which contract, and where two contracts differ. No socket here.

The listener begins: GREETING is `3 | version | challenge (16)`. HELLO is `1 | proof (32) | masked contract digest (32)
| Noise message 1`, REPLY is `2 | Noise message 2`. The Noise prologue is the digest that the initiator claims and the
challenge: so it is authenticated even when the two contracts differ, and nothing that it said on another connection can
be said again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgpack
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.errors import WireError
from p2pfl_me.wire.admission import CHALLENGE, PROOF, masked, proof
from p2pfl_me.wire.bounded import unpacked_list
from p2pfl_me.wire.identity import Identity
from p2pfl_me.wire.noise import KEY, AwaitingReply, Ciphers, Initiator, Introduced, Responder

VERSION = 2
HELLO, REPLY, GREETING = 1, 2, 3
"""Kinds of handshake frame; sealed records have kinds of their own (`session`)."""
DIGEST = 32
MAX_PAYLOAD = 4096
"""Most bytes of what a handshake says: a digest for each of the contract's sections."""
MAX_FRAME = MAX_PAYLOAD + 256
"""Most bytes of one of its frames."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who we are and what we agreed to: the contract's digest (32 bytes) and those of its sections.

    `earlier`: keys of ours that `identity` has followed and that may still be good. `stated`: the public key by which
    the contract names us, if that is another than the identity's.
    """

    me: int
    identity: Identity
    prologue: bytes
    sections: Mapping[str, bytes]
    earlier: tuple[Identity, ...] = ()
    stated: bytes | None = None
    news: bytes | None = field(default=None, repr=False)
    """What is told to a neighbour that has another contract: the changes that led to ours. None: nothing is."""

    def identities(self, good: Collection[bytes]) -> tuple[Identity, ...]:
        """Ours whose public keys are among the good ones, the newest first."""
        return tuple(each for each in (self.identity, *self.earlier) if each.public in good)

    def differing(self, theirs: Mapping[str, bytes]) -> list[str]:
        """The sections that differ, `contract` if none can be named."""
        keys = sorted(self.sections.keys() | theirs.keys())
        return [key for key in keys if self.sections.get(key) != theirs.get(key)] or ["contract"]


@dataclass(frozen=True, slots=True)
class Introduction:
    """A HELLO that authenticates: `key` belongs to whoever made it, on this connection.

    `differing` names the sections of the contract that differ from ours; empty when the contracts are one.
    """

    peer: int
    key: bytes
    differing: tuple[str, ...]
    introduced: Introduced = field(repr=False)


def greeting(challenge: bytes) -> bytes:
    """The first frame of a connection, from whoever was called."""
    return bytes([GREETING, VERSION]) + challenge


def read_greeting(frame: bytes) -> bytes:
    """The challenge of a GREETING.

    Raises
    ------
    WireError
        Another version, or something else altogether.
    """
    if len(frame) < 2 or frame[0] != GREETING:
        raise WireError("no greeting of p2pme")
    if frame[1] != VERSION:
        raise WireError(f"it speaks version {frame[1]} of p2pme's links, and this is {VERSION}; update the older p2pme")
    if len(frame) != 2 + CHALLENGE:
        raise WireError("no greeting of p2pme")
    return frame[2:]


def hello(
    terms: Terms, remote: bytes, key: bytes, challenge: bytes, ephemeral: X25519PrivateKey | None = None
) -> tuple[bytes, AwaitingReply]:
    """A HELLO to the holder of the public key `remote`, and the state that reads the reply; `key` is the edge's."""
    payload = msgpack.packb([terms.me, dict(terms.sections)])
    prologue = terms.prologue + challenge
    message, awaiting = Initiator(terms.identity.private, remote, prologue, ephemeral).write(payload)
    answer = proof(key, terms.identity.public, challenge)
    return bytes([HELLO]) + answer + masked(key, challenge, terms.prologue) + message, awaiting


def proof_of(frame: bytes) -> bytes:
    """The answer to the challenge that a HELLO begins with; it names the edge.

    Raises
    ------
    WireError
        No HELLO, by its length and kind.
    """
    if frame[:1] != bytes([HELLO]) or not 1 + PROOF + DIGEST < len(frame) <= MAX_FRAME:
        raise WireError("something else than a handshake of p2pme")
    return frame[1 : 1 + PROOF]


def ephemeral_of(frame: bytes) -> bytes:
    """The public key that a HELLO was made with, which is in clear."""
    return frame[1 + PROOF + DIGEST :][:KEY]


def read_hello(terms: Terms, key: bytes, challenge: bytes, frame: bytes) -> Introduction:
    """Read a HELLO whose proof is that of the edge with this key.

    Raises
    ------
    WireError
        Not made for our key, or an introduction that cannot be read.
    """
    claimed = masked(key, challenge, frame[1 + PROOF : 1 + PROOF + DIGEST])
    payload, introduced = Responder(terms.identity.private, claimed + challenge).read(frame[1 + PROOF + DIGEST :])
    match unpacked_list(payload, "an introduction", MAX_PAYLOAD):
        case [int(peer), dict(sections)] if not isinstance(peer, bool):
            theirs = {_printable(name): value for name, value in sections.items() if _is_digest(name, value)}
        case _:
            raise WireError("an introduction that cannot be read")
    differing = () if claimed == terms.prologue else tuple(terms.differing(theirs))
    return Introduction(peer, introduced.remote, differing, introduced)


def reply(introduction: Introduction) -> tuple[bytes, Ciphers]:
    """The REPLY: consent, or the names of the sections that differ."""
    message, ciphers = introduction.introduced.write(msgpack.packb(list(introduction.differing)))
    return bytes([REPLY]) + message, ciphers


def read_reply(awaiting: AwaitingReply, frame: bytes) -> tuple[list[str], Ciphers]:
    """Read a REPLY: the sections that differ (none: the link stands) and the keys.

    Raises
    ------
    WireError
        Not from the holder of the key that we dialled, or unreadable.
    """
    if frame[:1] != bytes([REPLY]):
        raise WireError("something else than a reply")
    payload, ciphers = awaiting.read(frame[1:])
    names = unpacked_list(payload, "a reply", MAX_PAYLOAD)
    if not all(isinstance(name, str) for name in names):
        raise WireError("a reply that cannot be read")
    return [_printable(name) for name in names], ciphers


def contracts_differ(peer: int, sections: Sequence[str]) -> str:
    parts = ", ".join(f"`{_printable(section)}`" for section in sections)
    return f"peer {peer} has another contract: {parts} differ; compare the files and restart the one that is wrong"


def _printable(text: str) -> str:
    """What a neighbour says goes to a terminal: no escape sequence and no line of its own."""
    return "".join(each if each.isascii() and each.isprintable() else "?" for each in text)[:64]


def _is_digest(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, bytes) and len(value) == DIGEST

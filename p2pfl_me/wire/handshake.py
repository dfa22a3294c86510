"""The frames of the handshake: who speaks, under which contract, and where two contracts differ. No socket here.

HELLO is `1 | version | claimed contract digest (32) | Noise message 1`, REPLY is `2 | tag (8) | Noise message 2`. The
claimed digest is the Noise prologue, so the initiator is authenticated even when the two contracts differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgpack
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from p2pfl_me.errors import WireError
from p2pfl_me.wire.bounded import unpacked_list
from p2pfl_me.wire.identity import Identity
from p2pfl_me.wire.noise import AwaitingReply, Ciphers, Initiator, Introduced, Responder

VERSION = 1
HELLO, REPLY = 1, 2
"""Kinds of handshake frame; sealed records have kinds of their own (`session`)."""
DIGEST = 32
MAX_PAYLOAD = 4096
"""Most bytes of what a handshake says: a digest for each of the contract's sections."""
TAG = 8
"""Bytes of the initiator's ephemeral key that a reply repeats, so that a late reply finds its handshake."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who we are and what we agreed to: the contract's digest (32 bytes) and those of its sections."""

    me: int
    identity: Identity
    prologue: bytes
    sections: Mapping[str, bytes]

    def differing(self, theirs: Mapping[str, bytes]) -> list[str]:
        """The sections that differ, `contract` if none can be named."""
        keys = sorted(self.sections.keys() | theirs.keys())
        return [key for key in keys if self.sections.get(key) != theirs.get(key)] or ["contract"]


@dataclass(frozen=True, slots=True)
class Greeting:
    """A HELLO that authenticates: `key` belongs to whoever made it, perhaps long ago (message 1 can be replayed).

    `differing` names the sections of the contract that differ from ours; empty when the contracts are one.
    """

    peer: int
    key: bytes
    differing: tuple[str, ...]
    tag: bytes
    introduced: Introduced = field(repr=False)


def hello(terms: Terms, remote: bytes, ephemeral: X25519PrivateKey | None = None) -> tuple[bytes, bytes, AwaitingReply]:
    """A HELLO to the holder of the public key `remote`: the frame, its tag, and the state that reads the reply."""
    payload = msgpack.packb([terms.me, dict(terms.sections)])
    message, awaiting = Initiator(terms.identity.private, remote, terms.prologue, ephemeral).write(payload)
    return bytes([HELLO, VERSION]) + terms.prologue + message, message[:TAG], awaiting


def read_hello(terms: Terms, frame: bytes) -> Greeting:
    """Read a HELLO.

    Raises
    ------
    WireError
        Another version, not made for our key, or an introduction that cannot be read.
    """
    if len(frame) < 2 + DIGEST or frame[0] != HELLO or frame[1] != VERSION:
        raise WireError("a handshake of another version of p2pme, or none at all")
    claimed, message = frame[2 : 2 + DIGEST], frame[2 + DIGEST :]
    payload, introduced = Responder(terms.identity.private, claimed).read(message)
    match unpacked_list(payload, "an introduction", MAX_PAYLOAD):
        case [int(peer), dict(sections)] if not isinstance(peer, bool):
            theirs = {_printable(key): value for key, value in sections.items() if _is_digest(key, value)}
        case _:
            raise WireError("an introduction that cannot be read")
    differing = () if claimed == terms.prologue else tuple(terms.differing(theirs))
    return Greeting(peer, introduced.remote, differing, message[:TAG], introduced)


def reply(greeting: Greeting) -> tuple[bytes, Ciphers]:
    """The REPLY: consent, or the names of the sections that differ."""
    message, ciphers = greeting.introduced.write(msgpack.packb(list(greeting.differing)))
    return bytes([REPLY]) + greeting.tag + message, ciphers


def tag_of(frame: bytes) -> bytes:
    """The tag of a REPLY; it finds the handshake that the reply belongs to."""
    return frame[1 : 1 + TAG]


def read_reply(awaiting: AwaitingReply, frame: bytes) -> tuple[list[str], Ciphers]:
    """Read a REPLY: the sections that differ (none: the link stands) and the keys.

    Raises
    ------
    WireError
        Not from the holder of the key that we dialled, or unreadable.
    """
    payload, ciphers = awaiting.read(frame[1 + TAG :])
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


def _is_digest(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, bytes) and len(value) == DIGEST
